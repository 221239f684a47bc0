"""Proof of orphanhood on roots made by hand: every owner source protects, every unread one silences."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.drivers import layerdb, store
from collectors.drivers.layerdb import Write
from collectors.drivers.layered import OVERLAY2
from collectors.drivers.listing import Entry, Source
from collectors.drivers.orphans import Evidence, prove
from collectors.model.reading import Exact
from collectors.model.store import Orphanhood, OrphanProof, Store, UnitKind
from tests.drivers.docker_root_trees import GraphRoot, bolt_file, build_name, hex64, host, write

LOST = hex64("lost")
WITNESSES = {
    "first listing",
    "layer writes",
    "layer database",
    "layer removals",
    "container layers",
    "BuildKit",
    "live mounts",
    "second listing",
    "lower files",
}


@pytest.fixture
def made(tmp_path: Path) -> GraphRoot:
    """An image, a container, a build record, and one directory that nobody knows."""
    root = GraphRoot(tmp_path / "docker")
    base = root.layer("base")
    root.image("base", ["base"], ["base:1"])
    root.container("one", base)
    root.directory(root.build_record("source", {b"parent": b""}))
    root.save_build_cache()
    root.directory(LOST)
    return root


def read(folder: Path, root: GraphRoot, *mounts: str, grace_s: float = 0.0) -> Store:
    reading = store(root.root, host(folder, *mounts), driver_hint=root.driver, grace_s=grace_s, deadline_s=20)
    assert isinstance(reading, Exact), reading
    return reading.value


def proofs(found: Store) -> dict[str, OrphanProof]:
    assert isinstance(found.orphans, Exact), found.orphans
    return {os.path.basename(proof.unit): proof for proof in found.orphans.value}


def test_what_nobody_knows_is_an_orphan_and_the_proof_names_every_witness(tmp_path: Path, made: GraphRoot) -> None:
    found = read(tmp_path, made)
    proof = proofs(found)[LOST]
    assert list(proofs(found)) == [LOST]
    assert proof.verdict is Orphanhood.ORPHAN
    assert set(proof.checked) == WITNESSES
    assert proof.unread == ()
    assert proof.age_s is not None
    assert 0 <= proof.age_s < 60
    assert isinstance(found.units, Exact)
    unit = next(unit for unit in found.units.value if unit.id == proof.unit)
    assert unit.kind is UnitKind.ORPHAN_CANDIDATE
    assert unit.owners == frozenset()


def test_within_the_grace_period_it_is_young(tmp_path: Path, made: GraphRoot) -> None:
    proof = proofs(read(tmp_path, made, grace_s=3600))[LOST]
    assert proof.verdict is Orphanhood.YOUNG
    assert proof.note == "younger than the grace period of 3600 s"


def test_a_build_layer_is_never_an_orphan(tmp_path: Path, made: GraphRoot) -> None:
    sealed = build_name("sealed")
    made.directory(sealed)
    assert proofs(read(tmp_path, made))[sealed].verdict is Orphanhood.ORPHAN  # nobody has said yet whose it is
    made.build_record("record", {b"committed": sealed.encode()})
    made.save_build_cache()
    assert sealed not in proofs(read(tmp_path, made))


def test_an_init_layer_whose_container_is_gone_is_an_orphan(tmp_path: Path, made: GraphRoot) -> None:
    made.directory(f"{LOST}-init")
    assert proofs(read(tmp_path, made))[f"{LOST}-init"].verdict is Orphanhood.ORPHAN


def test_an_init_layer_of_a_known_container_is_not(tmp_path: Path, made: GraphRoot) -> None:
    (made.database / "layerdb/mounts" / hex64("container one") / "init-id").unlink()
    proof = proofs(read(tmp_path, made))[f"{hex64('mount one')}-init"]
    assert proof.verdict is Orphanhood.UNKNOWN
    assert proof.note == "its container is known"


def test_a_foreign_name_is_somebody_elses_and_no_candidate(tmp_path: Path, made: GraphRoot) -> None:
    made.directory("backup-of-layers")
    found = read(tmp_path, made)
    assert "backup-of-layers" not in proofs(found)
    assert isinstance(found.units, Exact)
    (unit,) = [unit for unit in found.units.value if unit.name == "backup-of-layers"]
    assert unit.kind is UnitKind.FOREIGN


def test_a_file_among_the_directories_of_layers_is_somebody_elses(tmp_path: Path, made: GraphRoot) -> None:
    for name in ("backup.tar", "backingFsBlockDev", ".hidden"):
        (made.root / "overlay2" / name).write_text("x")
    found = read(tmp_path, made)
    assert isinstance(found.units, Exact)
    foreign = [unit.name for unit in found.units.value if unit.kind is UnitKind.FOREIGN]
    assert foreign == ["overlay2/backup.tar"]


@pytest.mark.parametrize(
    "line",
    [
        "36 35 0:44 / /var/lib/docker/overlay2/{name}/merged rw - overlay overlay rw,lowerdir=l/X,upperdir=a,workdir=b",
        "36 35 0:44 / /m rw - overlay overlay rw,lowerdir=l/X:l/Y,upperdir=/elsewhere/overlay2/{name}/diff,workdir=/w",
        "36 35 0:44 / /m rw - overlay overlay rw,lowerdir=l/X:l/{link},upperdir=/u,workdir=/w",
        "36 35 0:44 / /m rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/d/overlay2/{name}/diff,upperdir=/u",
        "36 35 0:44 /docker/overlay2/{name}/diff /mnt\\040here rw shared:1 - ext4 /dev/vda rw",
    ],
)
def test_what_is_mounted_is_no_orphan(tmp_path: Path, made: GraphRoot, line: str) -> None:
    link = (made.root / "overlay2" / LOST / "link").read_text()
    proof = proofs(read(tmp_path, made, line.format(name=LOST, link=link)))[LOST]
    assert proof.verdict is Orphanhood.UNKNOWN
    assert "mounted" in proof.note


def test_what_a_known_layer_stands_on_is_no_orphan(tmp_path: Path, made: GraphRoot) -> None:
    link = (made.root / "overlay2" / LOST / "link").read_text()
    write(made.root / "overlay2" / hex64("cache base") / "lower", f"l/{link}")
    proof = proofs(read(tmp_path, made))[LOST]
    assert proof.verdict is Orphanhood.UNKNOWN
    assert proof.note == f"no database lists it, but {hex64('cache base')} is stacked on it"


def test_a_layer_being_removed_is_no_orphan_but_an_interrupted_write(tmp_path: Path, made: GraphRoot) -> None:
    write(made.database / "layerdb/sha256" / f"{hex64('x')}-123-removing" / "cache-id", LOST)
    found = read(tmp_path, made)
    assert proofs(found) == {}
    assert isinstance(found.units, Exact)
    kinds = {os.path.basename(unit.path): unit.kind for unit in found.units.value}
    assert kinds[LOST] is UnitKind.INTERRUPTED_WRITE
    assert kinds[f"{hex64('x')}-123-removing"] is UnitKind.INTERRUPTED_WRITE


def test_a_layer_that_a_live_write_names_is_no_orphan(tmp_path: Path, made: GraphRoot) -> None:
    write(made.database / "layerdb/tmp/write-set-1" / "cache-id", LOST)
    assert LOST not in proofs(read(tmp_path, made, grace_s=3600))


def test_a_layer_born_during_a_dead_write_is_an_orphan_and_the_write_its_evidence(
    tmp_path: Path, made: GraphRoot
) -> None:
    write(made.database / "layerdb/tmp/write-set-1" / "tar-split.json.gz", b"x")
    found = read(tmp_path, made)
    proof = proofs(found)[LOST]
    assert proof.verdict is Orphanhood.ORPHAN
    assert proof.note == "nothing refers to it; it was created during the interrupted write write-set-1"
    assert isinstance(found.units, Exact)
    assert [unit.name for unit in found.units.value if unit.kind is UnitKind.INTERRUPTED_WRITE] == ["write-set-1"]


def test_a_write_that_goes_on_shields_what_was_born_during_it() -> None:
    """An hour-long extraction: the directory is older than the grace period, the write is not at rest."""
    entry = Entry(LOST, f"/d/overlay2/{LOST}", True, None, 1000.0)
    going_on = Write("write-set-1", "/w", None, began_s=1001.0, touched_s=9000.0)
    (proof,) = prove([entry], OVERLAY2, evidence(now_s=9010.0, grace_s=3600.0, writes=(going_on,)))
    assert proof.verdict is Orphanhood.YOUNG
    assert proof.note == "it may be the layer that write-set-1 is registering"
    (proof,) = prove([entry], OVERLAY2, evidence(now_s=90000.0, grace_s=3600.0, writes=(going_on,)))
    assert proof.verdict is Orphanhood.ORPHAN


def test_without_an_age_there_is_no_verdict() -> None:
    (proof,) = prove([Entry(LOST, f"/d/{LOST}", True, None, None)], OVERLAY2, evidence())
    assert proof.verdict is Orphanhood.UNKNOWN
    assert proof.age_s is None


def test_a_clock_that_went_back_makes_young_not_old() -> None:
    (proof,) = prove([Entry(LOST, f"/d/{LOST}", True, None, 5000.0)], OVERLAY2, evidence(now_s=10.0, grace_s=0.0))
    assert proof.verdict is Orphanhood.YOUNG


def test_what_appears_between_the_listings_is_young(
    tmp_path: Path, made: GraphRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = hex64("late")
    during(monkeypatch, lambda: made.directory(late))
    found = proofs(read(tmp_path, made))
    assert found[late].verdict is Orphanhood.YOUNG
    assert found[LOST].verdict is Orphanhood.ORPHAN


def test_what_vanishes_between_the_listings_is_nothing(
    tmp_path: Path, made: GraphRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    during(monkeypatch, lambda: (made.root / "overlay2" / LOST).rename(tmp_path / "gone"))
    assert proofs(read(tmp_path, made)) == {}


def test_an_image_made_while_the_owners_are_read_leaves_no_orphan(
    tmp_path: Path, made: GraphRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    during(monkeypatch, lambda: made.layer("new"))
    assert set(proofs(read(tmp_path, made))) == {LOST}


def during(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Run `act` between the first listing and the reading of the layer database."""
    original = layerdb.writes

    def first_act(folder: Path) -> tuple[Write, ...]:
        act()
        return original(folder)

    monkeypatch.setattr(layerdb, "writes", first_act)


def damage_layer(root: GraphRoot) -> None:
    (root.database / "layerdb/sha256" / hex64("diff base") / "cache-id").write_bytes(b"\xff\xfe")


def damage_mount(root: GraphRoot) -> None:
    (root.database / "layerdb/mounts" / hex64("container one") / "mount-id").unlink()


def damage_build_cache(root: GraphRoot) -> None:
    write(root.root / "buildkit" / "snapshots.db", b"\0" * 32768)


def shorten_build_cache(root: GraphRoot) -> None:
    write(root.root / "buildkit" / "snapshots.db", bolt_file(root.snapshots)[: 3 * 4096])


def damage_lower(root: GraphRoot) -> None:
    write(root.root / "overlay2" / hex64("cache base") / "lower", "l/X:" * 100000)


@pytest.mark.parametrize(
    ("damage", "witness"),
    [
        (damage_layer, "layer database"),
        (damage_mount, "container layers"),
        (damage_build_cache, "BuildKit"),
        (shorten_build_cache, "BuildKit"),
        (damage_lower, "lower files"),
    ],
)
def test_one_witness_that_cannot_be_read_makes_every_verdict_unknown(
    tmp_path: Path, made: GraphRoot, damage: Callable[[GraphRoot], None], witness: str
) -> None:
    damage(made)
    found = proofs(read(tmp_path, made))
    assert {proof.verdict for proof in found.values()} == {Orphanhood.UNKNOWN}
    assert [sentence.partition(":")[0] for sentence in found[LOST].unread] == [witness]
    assert set(found[LOST].checked) == WITNESSES - {witness}


def test_processes_that_cannot_be_seen_make_every_verdict_unknown(tmp_path: Path, made: GraphRoot) -> None:
    machine = host(tmp_path)
    (tmp_path / "proc/1/mountinfo").unlink()
    reading = store(made.root, machine, driver_hint="overlay2", grace_s=0, deadline_s=20)
    assert isinstance(reading, Exact)
    assert proofs(reading.value)[LOST].verdict is Orphanhood.UNKNOWN


def test_from_inside_a_container_there_is_no_verdict(tmp_path: Path, made: GraphRoot) -> None:
    machine = host(tmp_path)
    namespace = tmp_path / "proc" / "self" / "ns" / "pid"
    namespace.parent.mkdir(parents=True)
    namespace.symlink_to("pid:[4026532999]")
    reading = store(made.root, machine, driver_hint="overlay2", grace_s=0, deadline_s=20)
    assert isinstance(reading, Exact)
    proof = proofs(reading.value)[LOST]
    assert proof.verdict is Orphanhood.UNKNOWN
    assert "shows the processes of a container" in proof.unread[0]
    write(tmp_path / "proc" / "1" / "comm", "dockerd\n")  # a system container with an engine of its own
    reading = store(made.root, machine, driver_hint="overlay2", grace_s=0, deadline_s=20)
    assert isinstance(reading, Exact)
    assert proofs(reading.value)[LOST].verdict is Orphanhood.ORPHAN


def test_a_listing_that_fails_gives_no_proofs_at_all(
    tmp_path: Path, made: GraphRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> tuple[Entry, ...]:
        raise PermissionError(13, "Permission denied", "overlay2")

    monkeypatch.setattr("collectors.drivers.store_reader.entries", refuse)
    found = read(tmp_path, made)
    assert not isinstance(found.orphans, Exact)
    assert not isinstance(found.units, Exact)
    assert isinstance(found.images, Exact)


def test_what_survives_a_full_prune_is_an_orphan(tmp_path: Path) -> None:
    root = GraphRoot(tmp_path / "docker")
    root.directory(LOST)
    assert proofs(read(tmp_path, root))[LOST].verdict is Orphanhood.ORPHAN


def test_an_empty_database_that_is_younger_than_the_layers_makes_no_orphans(tmp_path: Path) -> None:
    """Somebody deleted image/ and restarted: every layer is unknown, and none is proven to be nobody's."""
    root = GraphRoot(tmp_path / "docker")
    root.directory(LOST)
    time.sleep(0.05)
    shutil.rmtree(root.database / "layerdb")
    for folder in ("sha256", "mounts", "tmp"):
        (root.database / "layerdb" / folder).mkdir(parents=True)
    proof = proofs(read(tmp_path, root))[LOST]
    assert proof.verdict is Orphanhood.UNKNOWN
    assert proof.note.startswith("the database lists no layer at all")


def evidence(*, now_s: float = 100000.0, grace_s: float = 3600.0, writes: tuple[Write, ...] = ()) -> Evidence:
    return Evidence(
        sources=(Source("layer database", None),),
        mounted=frozenset(),
        stood_on={},
        known_names={"known"},
        database_born_s=0.0,
        listed_before={LOST},
        writes=writes,
        now_s=now_s,
        grace_s=grace_s,
    )


def test_ages_are_counted_from_birth_not_from_the_last_change(tmp_path: Path, made: GraphRoot) -> None:
    time.sleep(0.3)
    os.utime(made.root / "overlay2" / LOST)
    proof = proofs(read(tmp_path, made))[LOST]
    assert proof.age_s is not None
    assert proof.age_s >= 0.3
