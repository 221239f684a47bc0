"""Fills on real engines with the right answer beside each, written before the program was asked.

What is right comes from what was put there: its bytes, its inodes, who uses it, and DESIGN's order of harms.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from collectors.model.plan import Severity
from collectors.model.reading import charged
from collectors.model.report import Report
from tests.judgement.real import Answer, Fill, Home, Make, litter, put, until
from tests.lab import Lab, layout
from tests.lab.commands import run
from tests.lab.messes._write import hold

FILLS: list[Fill] = []
OVERLAY, BTRFS, VFS = Home("overlay2"), Home("btrfs"), Home("vfs")
STORE, PODMAN = Home("containerd", engine="28.5"), Home("overlay2", "podman", "podman")
# What is there on every everyday host, and is far too small to be named first.
EVERYDAY = ("shop/app:1", "shop/web:1", "api-1", "quiet-1", "job-1", "filler-2", "shop-data")


def fill(name: str, home: Home, answer: Answer) -> Callable[[Make], Make]:
    """Enter a fill: the function makes it, yields while it stands, and takes it away."""

    def enter(make: Make) -> Make:
        FILLS.append(Fill(name, home, answer, make))
        return make

    return enter


def layer_of(lab: Lab, name: str) -> Path:
    """The directory that a container writes to."""
    identity = lab.docker("inspect", "--format", "{{.Id}}", name).strip()
    folder = layout.owned(lab.docker_root, lab.driver, lab.socket).containers[identity][0]
    return folder / "diff" if (folder / "diff").is_dir() and lab.driver == "overlay2" else folder


def log_of(lab: Lab, name: str) -> Path:
    return Path(lab.docker("inspect", "--format", "{{.LogPath}}", name).strip())


def volume_of(lab: Lab, name: str) -> Path:
    return lab.docker_root / "volumes" / name / "_data"


def _is_well(lab: Lab, said: Report) -> str:
    return "" if said.exit_status == 0 else f"{said.severity.name} on a host that is well"


# On one everyday host with overlay2.


@fill(
    "nothing is wrong", OVERLAY, Answer((), none_of=("something to decide",), harms=((),), reaches=True, check=_is_well)
)
def nothing_is_wrong(lab: Lab) -> Iterator[None]:
    yield


@fill("three in use: a directory of the host, a volume, a container's layer", OVERLAY, Answer(
    ("{lab}/srv/dumps",), ("pg",), ("web-1", "web-1's log", *EVERYDAY),
    all_of=("{lab}/srv/dumps", "pg", "web-1"), none_of=("soothing", "a process's deleted file"),
))  # fmt: skip
def three_in_use(lab: Lab) -> Iterator[None]:
    lab.client.run("base:1", "db-1", "exec sleep 100000", "-v", "pg:/data")
    made = [put(lab.mount / "srv/dumps/dump", 340), put(volume_of(lab, "pg") / "base", 220),
            put(layer_of(lab, "web-1") / "tmp/upload", 200)]  # fmt: skip
    yield
    for path in made:
        path.unlink()
    lab.docker("rm", "-f", "db-1")
    lab.docker("volume", "rm", "pg")


@fill("one of the logs is nearly all of them", OVERLAY, Answer(
    ("web-1's log",), (), ("web-1", *EVERYDAY), none_of=("soothing", "a number of logs"),
    until_percent=30, harms=((0, 1, 2), (1, 2), (2,)), reaches=True,
))  # fmt: skip
def one_log(lab: Lab) -> Iterator[None]:
    path = log_of(lab, "web-1")
    before = path.stat().st_size
    put(path, 620)
    yield
    os.truncate(path, before)


@fill("two that are nearly equal", OVERLAY, Answer(
    ("{lab}/srv/left", "pg"), (), ("web-1", *EVERYDAY), all_of=("{lab}/srv/left", "pg"), none_of=("soothing",),
))  # fmt: skip
def two_nearly_equal(lab: Lab) -> Iterator[None]:
    lab.client.run("base:1", "db-1", "exec sleep 100000", "-v", "pg:/data")
    made = [put(lab.mount / "srv/left/export", 330), put(volume_of(lab, "pg") / "base", 328)]
    yield
    for path in made:
        path.unlink()
    lab.docker("rm", "-f", "db-1")
    lab.docker("volume", "rm", "pg")


@fill("entries of the Docker root that the engine does not know", OVERLAY, Answer(
    ("{root}/volumes.bak",), (), ("web-1", *EVERYDAY), none_of=("soothing", "engine files"),
))  # fmt: skip
def unknown_entries(lab: Lab) -> Iterator[None]:
    folder = lab.docker_root / "volumes.bak"
    put(folder / "pg/_data/base", 640)
    put(lab.docker_root / "oops.tar", 60)
    yield
    shutil.rmtree(folder)
    (lab.docker_root / "oops.tar").unlink()


@fill("a deleted file that a process of the host holds", OVERLAY, Answer(
    ("a process's deleted file",), (), ("web-1", *EVERYDAY), none_of=("soothing",),
    until_percent=40, harms=((0, 1), (1,), (1, 3), (0, 1, 3)), reaches=False, person=("a process to end",),
))  # fmt: skip
def held_open(lab: Lab) -> Iterator[None]:
    script = f"exec 3>held; fallocate -l {640}MiB held; rm held; exec sleep 100000"
    pid = hold(lab, script, lab.mount)
    yield
    with suppress(ProcessLookupError):
        os.kill(pid, 9)
    until(lambda: not Path(f"/proc/{pid}/fd/3").exists())


@fill("a deleted file below a loop device", OVERLAY, Answer(
    ("{lab}/srv/disk.img", "a loop device"), ("unattributed use",), ("web-1", "web-1's log", *EVERYDAY),
    none_of=("soothing",), until_percent=40, person=("a loop device",),
))  # fmt: skip
def below_a_loop_device(lab: Lab) -> Iterator[None]:
    image = put(lab.mount / "srv/disk.img", 640)
    device = run("losetup", "--find", "--show", image).strip()
    image.unlink()
    yield
    run("losetup", "--detach", device)


@fill("the engine is frozen, and its disk full", OVERLAY, Answer(
    ("the disk is not known", "shop-data"), (), ("web-1",), none_of=("soothing",), deadline_s=6,
))  # fmt: skip
def frozen(lab: Lab) -> Iterator[None]:
    path = put(volume_of(lab, "shop-data") / "more", 760)
    lab.freeze_engine()
    yield
    lab.thaw_engine()
    path.unlink()


# Other drivers and engines, each with something else that is large.


@fill("what a running container has written", BTRFS, Answer(
    ("web-1",), (), ("web-1's log", *EVERYDAY), none_of=("soothing",),
))  # fmt: skip
def written_by_a_container(lab: Lab) -> Iterator[None]:
    path = put(layer_of(lab, "web-1") / "tmp/upload", 640)
    yield
    path.unlink()
    run("btrfs", "filesystem", "sync", lab.mount)


@fill("an image that nothing uses, whole in each of its layers", VFS, Answer(
    ("shop/huge:1",), ("images",), ("web-1", "web-1's log", *EVERYDAY), none_of=("soothing",),
    until_percent=40, harms=((1,), (0, 1)), reaches=True,
))  # fmt: skip
def a_huge_image(lab: Lab) -> Iterator[None]:
    lab.client.load_image("shop/huge:1", [{"data": 150 * (1 << 20)}, {"a": 10}, {"b": 10}])
    yield
    lab.docker("rmi", "shop/huge:1")


@fill("build cache in many records, none of them large", STORE, Answer(
    ("build cache",), (), ("web-1", "web-1's log", *EVERYDAY), until_percent=20, harms=((0,), (1,), (0, 1)),
))  # fmt: skip
def many_records(lab: Lab) -> Iterator[None]:
    steps = "".join(f"RUN head -c {40 * (1 << 20)} /dev/urandom > /made-{number}\n" for number in range(5))
    lab.docker("rmi", lab.build("gone:1", {"Dockerfile": f"FROM base:1\n{steps}"}))
    yield
    lab.docker("builder", "prune", "-af")


@fill("an image in another namespace of containerd", STORE, Answer(
    ("registry.example/foreign:1",), (), ("web-1", "web-1's log", *EVERYDAY), none_of=("soothing",),
))  # fmt: skip
def another_namespace(lab: Lab) -> Iterator[None]:
    lab.import_image("registry.example/foreign:1", {"data": 300 * (1 << 20)})
    archive = lab.base / "foreign.tar"
    lab.docker("save", "-o", str(archive), "registry.example/foreign:1")
    lab.docker("rmi", "registry.example/foreign:1")
    containerd = ("ctr", "--address", str(lab.base / "exec/containerd/containerd.sock"), "--namespace", "default")
    run(*containerd, "images", "import", archive)
    archive.unlink()
    yield
    name = run(*containerd, "images", "list", "-q").split()[0]
    run(*containerd, "images", "rm", "--sync", name)


@fill("a dangling image of Podman's", PODMAN, Answer(
    ("dangling images",), (), EVERYDAY,
    none_of=("soothing",), until_percent=30, harms=((1,), (0, 1)), reaches=True,
))  # fmt: skip
def dangling_in_podman(lab: Lab) -> Iterator[None]:
    for size in (620, 2):
        lab.import_image("shop/nightly:1", {"data": size * (1 << 20)})
    yield
    lab.docker("image", "prune", "-f")


# Labs of their own: what these make cannot be taken away, or fills the whole disk.


@fill("an incident of many causes, all of it young", Home("overlay2", "incident", size_mib=2048), Answer(
    ("shop-archive",), ("{lab}/srv",), ("orphaned layers", "web-1", *EVERYDAY), none_of=("soothing",),
    until_percent=80, harms=((1,), (0, 1)), reaches=True,
))  # fmt: skip
def incident(lab: Lab) -> Iterator[None]:
    yield


@fill("the same on btrfs, with snapshots", Home("btrfs", "incident", size_mib=2048), Answer(
    ("shop-archive",), ("images", "{lab}/srv"), ("orphaned layers", "web-1", *EVERYDAY), none_of=("soothing",),
    until_percent=80, harms=((1,), (0, 1)), reaches=True,
))  # fmt: skip
def incident_on_btrfs(lab: Lab) -> Iterator[None]:
    yield


_FEW_INODES = Home("overlay2", "everyday", size_mib=1024, mkfs_options=("-N", "16000"))


@fill("a volume with all the inodes", _FEW_INODES, Answer(
    ("many",), (), ("web-1", *EVERYDAY), all_of=("inodes",), none_of=("soothing", "bytes of build cache"),
    person=("many",),
))  # fmt: skip
def inodes_in_a_volume(lab: Lab) -> Iterator[None]:
    lab.docker("volume", "create", "many")
    litter(volume_of(lab, "many"), 14_000)
    yield
    lab.docker("volume", "rm", "many")


@fill("a running container with all the inodes", _FEW_INODES, Answer(
    ("web-1",), (), ("web-1's log", *EVERYDAY), all_of=("inodes",), none_of=("soothing",),
))  # fmt: skip
def inodes_in_a_container(lab: Lab) -> Iterator[None]:
    folder = litter(layer_of(lab, "web-1") / "tmp/sessions", 14_000)
    yield
    shutil.rmtree(folder)


@fill("a walk that is cut short", Home("overlay2", "empty", size_mib=2048), Answer(
    (), none_of=("a rank", "soothing"), deadline_s=0.8,
))  # fmt: skip
def cut_short(lab: Lab) -> Iterator[None]:
    """Hard links, which a walk has to look at one by one, before the volume that holds the bytes."""
    for name in ("a-links", "z-bytes"):
        lab.docker("volume", "create", name)
    folder = volume_of(lab, "a-links")
    for number in range(20):
        first = folder / f"file-{number}"
        first.touch()
        (folder / f"d{number}").mkdir()
        for link in range(30_000):
            os.link(first, folder / f"d{number}" / f"{link}")
    put(volume_of(lab, "z-bytes") / "base", 1500)
    yield
    shutil.rmtree(folder)


@fill("snapshots and leaked layers", Home("btrfs", "snapshots+leak", number=1), Answer(
    ("snapshots", "orphaned layers"), (".snapshots/daily-1",), ("snapped",),
    until_percent=5, harms=((0, 1, 3), (1, 3), (3,)), reaches=False, check=lambda lab, said: _no_empty_step_leads(said),
))  # fmt: skip
def snapshots_and_leaks(lab: Lab) -> Iterator[None]:
    yield


def _no_empty_step_leads(said: Report) -> str:
    first = next(iter(said.plan.steps), None)
    empty = first is not None and first.harm >= 3 and not getattr(first.frees, "value", 1)
    return f"the first step frees nothing: {first.title}" if empty and first is not None else ""


@fill("an orphan that apply refuses", Home("btrfs", "snapshots+leak", number=1), Answer(
    (), check=lambda lab, said: _nested_is_not_foretold(lab, said), until_percent=5, reaches=False,
))  # fmt: skip
def a_nested_subvolume(lab: Lab) -> Iterator[None]:
    planted = max(lab.truth.of("orphans", "leaked layer"), key=lambda one: one.allocated_bytes or 0)
    run("btrfs", "subvolume", "create", f"{planted.path}/nested")
    yield
    run("btrfs", "subvolume", "delete", f"{planted.path}/nested")


def _nested_is_not_foretold(lab: Lab, said: Report) -> str:
    planted = max(lab.truth.of("orphans", "leaked layer"), key=lambda one: one.allocated_bytes or 0)
    refused = [step.title for step in said.plan.steps for target in step.targets if target.id == planted.path]
    return f"{refused[0]}: apply refuses it" if refused else ""


@fill("the root of an engine that was given another one", Home("overlay2", "empty", number=1), Answer(
    ("a former Docker root",), ("{root}",), (), none_of=("soothing", "files outside Docker"),
))  # fmt: skip
def former_root(lab: Lab) -> Iterator[None]:
    lab.client.base_image()
    lab.docker("volume", "create", "old-data")
    put(volume_of(lab, "old-data") / "base", 700)
    inner = lab.docker_root / "100000.100000"
    lab.stop_engine()
    words = lab._engine._argv
    lab._engine._argv = tuple(str(inner) if word == str(lab.docker_root) else word for word in words)
    lab.start_engine()
    yield


@fill("a container whose configuration is empty after a full disk", Home("overlay2", "everyday", number=2), Answer(
    ("unknown to the engine", "an id"), (), EVERYDAY, none_of=("soothing",),
    check=lambda lab, said: _has_a_claim(said, "the engine does not know"),
))  # fmt: skip
def lost_container(lab: Lab) -> Iterator[None]:
    put(layer_of(lab, "web-1") / "tmp/upload", 640)
    identity = lab.docker("inspect", "--format", "{{.Id}}", "web-1").strip()
    lab.stop_engine()
    (lab.docker_root / "containers" / identity / "config.v2.json").write_bytes(b"")
    lab.start_engine()
    yield


@fill("copies that share their extents", Home("overlay2", "empty", fs="xfs", number=3), Answer(
    ("{lab}/srv/real",), (), ("copies",), all_of=("{lab}/srv/real",),
))  # fmt: skip
def reflinks(lab: Lab) -> Iterator[None]:
    lab.docker("volume", "create", "copies")
    original = put(volume_of(lab, "copies") / "original", 120)
    original.write_bytes(os.urandom(1 << 20) * 120)
    for number in range(5):
        run("cp", "--reflink=always", original, original.with_name(f"copy-{number}"))
    put(lab.mount / "srv/real/export", 600)
    yield


@fill("another engine's store beside ours", Home("overlay2", "empty", number=4), Answer(
    ("another engine's store",), (), (), none_of=("soothing", "files outside Docker"),
))  # fmt: skip
def second_engine(lab: Lab) -> Iterator[None]:
    second = lab.mount / "docker2"
    place = lab.base / "second"
    place.mkdir()
    (place / "daemon.json").write_text('{"deprecated-key-path": "%s"}' % (place / "key.json"))
    lab.spawn("dockerd", "--config-file", str(place / "daemon.json"), "--data-root", str(second), "--exec-root",
              str(place / "exec"), "--pidfile", str(place / "pid"), "-H", f"unix://{place / 'sock'}", "--bridge",
              "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "overlay2")  # fmt: skip
    until(lambda: (place / "sock").exists() and (second / "volumes").is_dir())
    put(second / "volumes/theirs/_data/base", 720)
    yield


@fill("volumes on a disk of their own, which is full", Home("overlay2", "everyday", number=5), Answer(
    ("pg",), (), ("web-1", *EVERYDAY), none_of=("soothing",), check=lambda lab, said: _at_least(said, Severity.P1),
))  # fmt: skip
def volumes_elsewhere(lab: Lab) -> Iterator[None]:
    lab.stop_engine()
    image = lab.base / "volumes.img"
    with image.open("wb") as file:
        file.truncate(300 * (1 << 20))
    run("mkfs.ext4", "-q", "-F", image)
    run("mount", "-o", "loop", image, lab.docker_root / "volumes")
    lab.start_engine()
    lab.docker("volume", "create", "pg")
    put(volume_of(lab, "pg") / "base", 255)
    yield
    lab.stop_engine()


def _has_a_claim(said: Report, words: str) -> str:
    return "" if any(words in finding.claim for finding in said.findings) else f"no finding says: {words}"


def _has_the_leaked_layer(said: Report) -> str:
    """Two thirds of the small files lie beside the subvolumes, one third in a leaked one: both with their metadata."""
    first = next(finding for finding in said.findings if finding.rule == "btrfs-metadata")
    told = [size for label, size in first.evidence if "metadata of layer" in label and not isinstance(size, str)]
    return "" if told and charged(told[0]) > 100 << 20 else "no finding says what the leaked layer holds of metadata"


def _at_least(said: Report, severity: Severity) -> str:
    return "" if said.severity >= severity else f"{said.severity.name} with a full disk"


@fill("btrfs that has no room for metadata", Home("btrfs", "metadata_full"), Answer(
    ("files outside subvolumes", "{lab}/thumbnails"), (), ("orphaned layers",), all_of=("metadata",),
    none_of=("soothing", "files outside Docker"), check=lambda lab, said: _has_the_leaked_layer(said),
))  # fmt: skip
def metadata_full(lab: Lab) -> Iterator[None]:
    yield
