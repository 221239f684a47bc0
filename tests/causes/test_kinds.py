"""What each kind of thing offers, and what it never offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.causes.other_stores import propose_unknown
from collectors.ledger.unlisted import NOT_KNOWN
from collectors.model import Owner, OwnerKind, SubvolumeId
from collectors.model.btrfs import Subvolume
from collectors.model.engine import Flavour
from collectors.model.ledger import Category, Item
from collectors.model.plan import Harm, Risk
from collectors.model.reading import AtLeast, Between, Exact, charged
from collectors.model.store import Orphanhood, UnitKind
from tests.owners import owner
from tests.planning.build import (
    HERE,
    MIB,
    UNREAD,
    Scene,
    ago,
    btrfs,
    container,
    exact,
    finding,
    ids,
    image,
    log,
    persons,
    proof,
    record,
    release,
    step,
    targets,
    unit,
    volume,
    with_rules,
)

OLD = ago(days=40)


def layer(name: str, *owners: str) -> tuple[object, ...]:
    return (unit(f"/docker/overlay2/{name}", UnitKind.IMAGE_LAYER, *owners, born=OLD),)


def test_old_private_build_cache_is_safe_and_mounts_are_not() -> None:
    scene = Scene(
        build_cache=(record("a"), record("m", kind="exec.cachemount")),
        releases=(release(5, "build:a"), release(7, "build:m")),
    )
    made = scene.plan()
    assert ids(made) == ["build-cache.old", "build-cache.mounts"]
    assert [one.risk for one in made.steps] == [Risk.SAFE, Risk.CAREFUL]
    assert made.steps[0].frees == Exact(5, made.steps[0].frees.origin)


def test_a_record_stays_when_something_built_on_it_stays() -> None:
    scene = Scene(
        build_cache=(record("base"), record("top", parents=("base",), in_use=True)),
        releases=(release(5, "build:base"),),
    )
    assert ids(scene.plan()) == []


def test_the_youngest_of_a_chain_goes_first() -> None:
    scene = Scene(
        build_cache=(record("a"), record("b", parents=("a",)), record("c", parents=("b",))),
        releases=tuple(release(5, f"build:{i}") for i in "abc"),
    )
    assert step(scene.plan(), "build-cache.old").targets == tuple(map(owner, ("build:c", "build:b", "build:a")))


def test_young_build_cache_and_mounts_are_a_step_that_waits_for_their_age() -> None:
    scene = Scene(
        build_cache=(record("a", used=ago(hours=2)), record("m", kind="exec.cachemount", used=ago(days=2))),
        releases=(release(5, "build:a"), release(7, "build:m")),
    )
    (only,) = scene.plan().steps
    assert (only.id, only.harm, only.unasked, only.young_s) == ("build-cache.young", Harm.TIME, False, 5 * 86400)
    assert set(only.targets) == {owner("build:a"), owner("build:m")}
    scene.rules = with_rules(min_age_s=3600.0)
    (only,) = scene.plan().steps
    assert (only.id, only.harm, only.unasked, only.young_s) == ("build-cache.recent", Harm.TIME, True, 0.0)


def test_a_record_below_a_young_one_waits_with_it() -> None:
    scene = Scene(
        build_cache=(record("base"), record("top", parents=("base",), used=ago(hours=1)), record("alone")),
        releases=tuple(release(5, f"build:{i}") for i in ("base", "top", "alone")),
    )
    made = scene.plan()
    assert ids(made) == ["build-cache.old", "build-cache.young"]
    assert step(made, "build-cache.old").targets == (owner("build:alone"),)
    assert step(made, "build-cache.young").targets == (owner("build:top"), owner("build:base"))


def test_a_record_of_unknown_age_goes_only_where_no_age_is_asked_for() -> None:
    ageless = replace(record("a"), created_at=UNREAD, last_used_at=UNREAD)
    scene = Scene(
        build_cache=(ageless,),
        releases=(release(5, "build:a"),),
        findings=(finding("build-cache", "build:a", count=5),),
    )
    made = scene.plan()
    assert ids(made) == []
    assert "of unknown age (--min-age 0 goes without it)" in made.answers["build-cache"]
    scene.rules = with_rules(min_age_s=0.0)
    assert ids(scene.plan()) == ["build-cache.recent"]


def test_shared_build_cache_is_offered_only_with_the_image_that_holds_its_bytes() -> None:
    scene = Scene(
        build_cache=(record("s", shared=True), record("t", shared=True)),
        images=(image("x", "app:1"), image("y", "used:1")),
        containers=(container("c", "y"),),
        units=layer("l", "image:sha256:x", "build:s"),
        releases=(release(50, "image:sha256:x", "build:s"), release(60, "image:sha256:y", "build:t")),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    made = scene.plan()
    assert ids(made) == ["image:sha256:x", "build-cache.shared"]
    assert step(made, "build-cache.shared").targets == (owner("build:s"),)
    assert "id=$id" in step(made, "build-cache.shared").command
    assert " t;" not in step(made, "build-cache.shared").command
    assert [one.frees for one in made.steps] == [
        Exact(0, made.steps[0].frees.origin),
        Exact(50, made.steps[1].frees.origin),
    ]


def test_an_image_loaded_just_now_is_young_however_old_its_build_date_is() -> None:
    fresh = unit("/docker/overlay2/l", UnitKind.IMAGE_LAYER, "image:sha256:x", born=ago(hours=1))
    scene = Scene(images=(image("x", built=ago(days=2000)),), units=(fresh,), releases=(release(9, "image:sha256:x"),))
    (only,) = scene.plan().steps
    assert (only.id, only.automatic, only.unasked) == ("images.dangling.young", True, False)
    assert only.young_s == 23 * 3600


def test_an_image_of_unknown_age_waits_for_a_person() -> None:
    scene = Scene(
        images=(image("x", "app:1"), image("y")), releases=(release(9, "image:sha256:x"), release(8, "image:sha256:y"))
    )
    assert [(one.id, one.automatic) for one in scene.plan().steps] == [
        ("image:sha256:x", False),
        ("image:sha256:y", False),
    ]


def test_images_go_longest_unused_first() -> None:
    scene = Scene(
        images=tuple(image(name, f"{name}:1") for name in "abc"),
        releases=tuple(release(9, f"image:sha256:{name}") for name in "abc"),
        last_used={
            Owner(OwnerKind.IMAGE, f"sha256:{name}"): ago(days=days)
            for name, days in zip("abc", (20, 90, 50), strict=True)
        },
    )
    assert ids(scene.plan()) == ["image:sha256:b", "image:sha256:c", "image:sha256:a"]


def test_the_tag_that_a_container_was_made_from_is_in_use_though_its_image_moved() -> None:
    scene = Scene(
        images=(image("old"), image("new", "app:latest")),
        containers=(container("c", "old", made_from="app"),),
        releases=(release(9, "image:sha256:new"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:new"): OLD},
    )
    assert ids(scene.plan()) == []


def test_an_image_with_several_tags_names_each_in_its_command() -> None:
    scene = Scene(
        images=(image("x", "app:1", "app:stable"),),
        releases=(release(9, "image:sha256:x"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    assert step(scene.plan(), "image:sha256:x").command == "docker image rm app:1 app:stable"


@pytest.mark.parametrize(
    ("flavour", "address", "client"),
    [
        (Flavour.DOCKER, "", "docker"),
        (Flavour.DOCKER, "unix:///run/user/1000/docker.sock", "docker --host unix:///run/user/1000/docker.sock"),
        (Flavour.DOCKER, "ssh://root@db-1", "docker --host ssh://root@db-1"),
        (Flavour.PODMAN, "unix:///srv/a b.sock", "podman --url 'unix:///srv/a b.sock'"),
    ],
)
def test_a_command_speaks_with_the_engine_that_was_looked_at(flavour: Flavour, address: str, client: str) -> None:
    """Typed as it stands beside another engine, `docker image rm app:1` would take that one's image."""
    scene = Scene(
        images=(image("x", "app:1"), image("y")),
        containers=(container("c", "z", state="exited", ended=OLD),),
        volumes=(volume("v"),),
        build_cache=(record("a"), record("b", kind="exec.cachemount")),
        releases=(release(9, "image:sha256:x"), release(9, "image:sha256:y"), release(9, "container:c"),
                  release(9, "volume:v"), release(9, "build:a"), release(9, "build:b")),
        last_used={Owner(OwnerKind.IMAGE, f"sha256:{name}"): OLD for name in "xy"},
    )  # fmt: skip
    scene.flavour, scene.address = flavour, address
    steps = scene.plan().every_step
    assert {step.action for step in steps} >= {"image.remove", "container.remove", "volume.remove"}
    verbs = ("image rm", "container rm", "volume rm", "builder prune")
    for line in (one.command for one in steps):
        asked = sum(line.count(verb) for verb in verbs)
        assert asked >= 1
        assert sum(line.count(f"{client} {verb}") for verb in verbs) == asked


def test_an_untagged_image_that_was_pulled_by_digest_is_not_dangling() -> None:
    scene = Scene(
        images=(image("x", digests=("app@sha256:d",)),),
        releases=(release(9, "image:sha256:x"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): ago(days=2)},
    )
    (only,) = scene.plan().steps
    assert (only.id, only.young_s) == ("image:sha256:x", 5 * 86400), "the age of images with a name"


def test_a_stopped_container_makes_its_image_removable_only_after_itself() -> None:
    scene = Scene(
        images=(image("x", "job:1"),),
        containers=(container("c", "x", state="exited", ended=OLD),),
        releases=(release(3, "container:c"), release(90, "image:sha256:x")),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    made = scene.plan()
    assert ids(made) == ["container:c", "image:sha256:x"]
    assert made.frees_bytes(frozenset({"image:sha256:x"})) == 0
    assert made.frees_bytes(frozenset(ids(made))) == 93


@pytest.mark.parametrize("state", ["created", "running", "paused", "restarting", "removing"])
def test_only_ended_containers_are_offered(state: str) -> None:
    scene = Scene(containers=(container("c", "x", state=state, ended=OLD),), releases=(release(3, "container:c"),))
    assert ids(scene.plan()) == []


def test_a_container_that_ended_lately_is_young_and_one_of_which_nobody_knows_when_stays() -> None:
    late = container("late", "x", state="exited", ended=ago(hours=3))
    unknown = container("unknown", "x", state="exited")
    scene = Scene(containers=(late, unknown), releases=(release(3, "container:late"), release(3, "container:unknown")))
    (only,) = scene.plan().steps
    assert (only.id, only.unasked, only.young_s) == ("container:late", False, 69 * 3600)
    scene.findings = (finding("stopped-containers", "container:unknown", count=3),)
    scene.containers = (unknown,)
    assert "without a time at which it ended" in scene.plan().answers["stopped-containers"]


def test_a_large_log_of_a_stopped_container_is_cut_before_the_container_goes() -> None:
    scene = Scene(
        containers=(container("c", "x", state="exited", ended=OLD),),
        logs=(log("c", 1100 * MIB),),
        releases=(release(1100 * MIB, "log:c"), release(3, "container:c")),
    )
    made = scene.plan()
    assert [(one.id, one.harm, one.risk) for one in made.steps] == [
        ("log:c", Harm.HISTORY, Risk.CAREFUL),
        ("container:c", Harm.STATE, Risk.CAREFUL),
    ]
    assert ids(scene.plan(until=79)) == ["log:c"]


def test_a_large_writable_layer_may_be_data_and_waits_for_a_person() -> None:
    scene = Scene(
        containers=(container("c", "x", state="exited", ended=OLD, writable=900 * MIB),),
        releases=(release(900 * MIB, "container:c"),),
    )
    only = scene.plan().steps[0]
    assert (only.risk, only.automatic) == (Risk.DESTRUCTIVE, False)


def test_volumes_are_proposed_by_name_and_never_automatic() -> None:
    scene = Scene(
        volumes=(volume("data"), volume("f00", anonymous=True), volume("used"), volume("counted", references=1)),
        containers=(container("c", "x", state="exited", ended=ago(hours=1), volumes=("used",)),),
        releases=tuple(release(4, f"volume:{name}") for name in ("data", "f00", "used", "counted")),
    )
    made = scene.plan()
    assert (ids(made), persons(made)) == ([], ["volume:f00", "volume:data"])
    assert not any(one.automatic for one in made.for_person)
    assert {one.risk for one in made.for_person} == {Risk.DESTRUCTIVE}


def test_a_large_log_is_a_destructive_step_that_tells_what_breaks() -> None:
    scene = Scene(
        containers=(container("c", "x"), container("d", "x")),
        logs=(log("c", 900 * MIB), log("d", MIB)),
        releases=(release(900 * MIB, "log:c"), release(MIB, "log:d")),
    )
    made = scene.plan()
    assert ids(made) == ["log:c"]
    only = made.steps[0]
    assert only.risk is Risk.DESTRUCTIVE
    assert "--tail" in only.costs
    assert only.needs.startswith("set max-size")
    assert "truncate -s 0" in only.command
    assert "c-json.log.1" in only.command


@pytest.mark.parametrize("driver", ["journald", "k8s-file", "syslog"])
def test_a_log_whose_writer_does_not_append_is_never_truncated(driver: str) -> None:
    scene = Scene(
        containers=(container("c", "x"),),
        logs=(log("c", 900 * MIB, driver=driver),),
        releases=(release(900 * MIB, "log:c"),),
    )
    assert ids(scene.plan()) == []


def test_an_orphan_needs_its_proof_and_a_certain_finding() -> None:
    paths = [f"/docker/btrfs/subvolumes/{name}" for name in ("a", "young", "unsure")]
    scene = Scene(
        driver="btrfs",
        fstype="btrfs",
        units=tuple(unit(path, UnitKind.ORPHAN_CANDIDATE, f"orphan:{path}") for path in paths),
        proofs=(proof(paths[0]), proof(paths[1], Orphanhood.YOUNG), proof(paths[2])),
        findings=(
            finding("orphans", f"orphan:{paths[0]}", f"orphan:{paths[1]}"),
            finding("orphans-unsure", f"orphan:{paths[2]}", certain=False),
        ),
        releases=tuple(release(100, f"orphan:{path}") for path in paths),
    )
    made = scene.plan()
    assert targets(made) == {f"orphan:{paths[0]}"}
    only = step(made, "orphans")
    assert (only.risk, only.rule) == (Risk.DESTRUCTIVE, "orphans")
    assert only.command == f"btrfs subvolume delete {paths[0]}"
    assert any("not proved" in sentence for sentence in made.left_out)


def test_an_orphan_that_holds_another_subvolume_is_not_promised_since_it_is_never_removed() -> None:
    whole, holding = (f"/docker/btrfs/subvolumes/{name}" for name in ("a", "b"))
    facts = btrfs(data=[(240 * MIB, 120 * MIB)], metadata=(256 * MIB, 20 * MIB), unallocated=4096 * MIB)
    names = ("a", "b", "b/inner", "bb")
    inside = tuple(
        Subvolume(SubvolumeId(256 + n), None, f"btrfs/subvolumes/{name}", "", "", 1, False, None, False)
        for n, name in enumerate(names)
    )
    scene = Scene(
        driver="btrfs",
        fstype="btrfs",
        btrfs=replace(facts, subvolumes=Exact(inside, HERE)),
        units=tuple(unit(path, UnitKind.ORPHAN_CANDIDATE, f"orphan:{path}") for path in (whole, holding)),
        proofs=(proof(whole), proof(holding)),
        findings=(finding("orphans", f"orphan:{whole}", f"orphan:{holding}", count=300),),
        releases=(release(100, f"orphan:{whole}"), release(200, f"orphan:{holding}")),
    )
    made = scene.plan()
    assert step(made, "orphans").targets == (owner(f"orphan:{whole}"),)
    assert made.frees_bytes(made.ids) == 100
    assert any(f"{holding}/inner lies inside" in said for said in made.left_out)


def test_what_is_deleted_already_only_needs_waiting() -> None:
    scene = Scene(
        fstype="btrfs",
        units=(unit("<deleted>/300", UnitKind.DELETED, "deleted:300"),),
        releases=(release(100, "deleted:300"),),
    )
    made = scene.plan()
    assert ids(made) == ["btrfs.wait"]
    assert made.steps[0].risk is Risk.SAFE


def test_snapshots_are_proposed_to_a_person() -> None:
    scene = Scene(
        fstype="btrfs",
        units=(unit("snaps/1", UnitKind.SNAPSHOT, "snapshot:snaps/1"),),
        releases=(release(100, "snapshot:snaps/1"),),
    )
    only = scene.plan().for_person[0]
    assert (only.automatic, only.risk) == (False, Risk.DESTRUCTIVE)
    assert only.command == "btrfs subvolume delete /docker/snaps/1"


def test_a_step_that_frees_something_only_with_a_riskier_one_takes_its_place() -> None:
    path = "/docker/btrfs/subvolumes/o"
    scene = Scene(
        driver="btrfs",
        fstype="btrfs",
        images=(image("x"),),
        units=(
            unit(path, UnitKind.ORPHAN_CANDIDATE, f"orphan:{path}"),
            unit("/docker/btrfs/subvolumes/l", UnitKind.IMAGE_LAYER, "image:sha256:x", born=OLD),
        ),
        proofs=(proof(path),),
        findings=(finding("orphans", f"orphan:{path}"),),
        releases=(release(100, f"orphan:{path}", "image:sha256:x"), release(1, f"orphan:{path}")),
    )
    made = scene.plan()
    assert {one.id: one.risk for one in made.steps} == {
        "orphans": Risk.DESTRUCTIVE,
        "images.dangling": Risk.DESTRUCTIVE,
    }


def test_without_the_list_of_containers_nothing_is_called_unused() -> None:
    scene = Scene(
        images=(image("x", "app:1"),),
        volumes=(volume("v"),),
        containers_unread=UNREAD,
        releases=(release(9, "image:sha256:x"), release(9, "volume:v")),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    made = scene.plan()
    assert ids(made) == []
    assert sum("could not be listed" in sentence for sentence in made.left_out) == 3


def test_a_remote_engine_gets_no_plan() -> None:
    scene = Scene(build_cache=(record("a"),), releases=(release(5, "build:a"),), local=Exact(False, HERE))
    made = scene.plan()
    assert made.steps == ()
    assert made.left_out


def test_podman_is_spoken_to_by_its_own_name() -> None:
    scene = Scene(
        flavour=Flavour.PODMAN,
        images=(image("x", "app:1"),),
        releases=(release(9, "image:sha256:x"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    assert scene.plan().steps[0].command.startswith("podman image rm")


def test_what_frees_nothing_is_left_out_and_says_who_holds_it() -> None:
    scene = Scene(
        images=(image("x", "app:1"), image("y", "base:1")),
        containers=(container("c", "y"),),
        releases=(release(9, "image:sha256:x", "image:sha256:y"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    made = scene.plan()
    assert ids(made) == []
    assert any("app:1" in said and "also held by images that stay" in said for said in made.left_out)


def test_where_nothing_was_measured_the_engine_s_claim_is_an_estimate_with_bounds() -> None:
    scene = Scene(
        build_cache=(record("a", size=7 * MIB),),
        images=(image("x", "app:1"),),
        unread=UNREAD,
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
        releases=(release(9, "image:sha256:x"),),
    )
    made = scene.plan()
    claim = step(made, "build-cache.old").frees
    assert isinstance(claim, Between)
    assert (claim.low, claim.best) == (0, 7 * MIB)
    assert step(made, "image:sha256:x").frees == AtLeast(9, (UNREAD,), step(made, "image:sha256:x").frees.origin)


@pytest.mark.parametrize(
    "rules",
    [with_rules(images=("app:*",)), with_rules(images=("app",)), with_rules(labels=("team",)), with_rules()],
)
def test_each_kind_of_keep_rule_keeps_an_image(rules: object) -> None:
    scene = Scene(
        images=(image("x", "app:1", labels={"team": "shop", "ullage.keep": "true"}),),
        releases=(release(9, "image:sha256:x"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
        rules=rules,
    )
    assert ids(scene.plan()) == []


def test_a_keep_label_with_another_value_keeps_nothing() -> None:
    scene = Scene(
        images=(image("x", "app:1", labels={"ullage.keep": "false"}),),
        releases=(release(9, "image:sha256:x"),),
        last_used={Owner(OwnerKind.IMAGE, "sha256:x"): OLD},
    )
    assert ids(scene.plan()) == ["image:sha256:x"]


def test_cache_mounts_of_podmans_builds_are_one_step_of_rebuildable_harm() -> None:
    path = "/var/tmp/buildah-cache-0"
    scene = Scene(
        flavour=Flavour.PODMAN,
        units=(unit(path, UnitKind.CACHE_MOUNTS, f"build:{path}"),),
        releases=(release(9 * MIB, f"build:{path}"),),
        findings=(finding("cache-mounts", f"build:{path}", count=9 * MIB),),
    )
    (made,) = scene.plan().every_step
    assert (made.command, made.harm, made.automatic) == (f"rm -rf --one-file-system -- {path}", Harm.TIME, False)
    assert charged(made.frees) == 9 * MIB


@pytest.mark.parametrize(
    ("category", "name", "command", "harm"),
    [
        (Category.IMAGES, "image:sha256:abcdef123456789", "podman image rm abcdef123456", Harm.TIME),
        (Category.CONTAINERS, "container:fedcba987654321", "podman container rm --force fedcba987654", Harm.STATE),
    ],
)
@pytest.mark.parametrize("flavour", list(Flavour))
def test_what_podman_does_not_list_and_yet_removes_has_a_step_for_a_person(
    category: Category, name: str, command: str, harm: Harm, flavour: Flavour
) -> None:
    scene = Scene(flavour=flavour, releases=(release(MIB, name),), findings=(finding("unknown-to-engine", count=MIB),))
    context = scene.context()
    context = replace(context, ledger=replace(context.ledger, items={category: (not_known(category, name),)}))
    proposal = propose_unknown(context)
    if flavour is Flavour.DOCKER:
        assert (proposal.drafts, proposal.answered) == ((), True)
        return
    (draft,) = proposal.drafts
    assert (draft.command, draft.harm, draft.automatic) == (command, harm, False)


def not_known(category: Category, name: str) -> Item:
    mine, nothing = owner(name), exact(MIB)
    return Item(
        id=mine.id, owner_id=mine, category=category, name="n", referenced=nothing, exclusive=nothing,
        inodes=nothing, apparent=nothing, reclaimable=nothing, owner="", state=NOT_KNOWN, created_at=None,
        last_used_at=None, proof=(), note="", inside=(),
    )  # fmt: skip


@pytest.mark.parametrize(("flavour", "who"), [(Flavour.PODMAN, "podman images"), (Flavour.DOCKER, "ctr --namespace")])
def test_what_was_not_finished_is_left_to_the_engine_that_clears_it_away(flavour: Flavour, who: str) -> None:
    scene = Scene(
        flavour=flavour,
        units=(unit("/d/overlay/torn", UnitKind.INTERRUPTED_WRITE),),
        findings=(finding("interrupted-writes", count=MIB),),
    )
    (said,) = scene.plan().left_out
    assert who in said
