"""btrfs with full metadata: a balance that works, a balance that must wait, a balance that is refused."""

from __future__ import annotations

from collectors.causes.btrfs_metadata.balance import pressure, squeeze
from collectors.model.plan import Risk
from collectors.model.reading import Between
from collectors.model.store import UnitKind
from tests.planning.build import MIB, Scene, btrfs, finding, ids, proof, record, release, step, unit

HALF = [(240 * MIB, 120 * MIB)] * 11
FULL = (256 * MIB, 247 * MIB)  # 9 MiB free, 5.5 of them reserved: measured to fail
ROOMY = (256 * MIB, 230 * MIB)
RESERVE = 5 * MIB + MIB // 2


def a_scene(**changes: object) -> Scene:
    path = "/docker/btrfs/subvolumes/o"
    return Scene(
        **{
            "fstype": "btrfs",
            "driver": "btrfs",
            "btrfs": btrfs(data=HALF, metadata=ROOMY, reserve=RESERVE),
            "units": (
                unit(path, UnitKind.ORPHAN_CANDIDATE, f"orphan:{path}"),
                unit("/docker/btrfs/subvolumes/r", UnitKind.BUILD_SNAPSHOT, "build:r"),
            ),
            "proofs": (proof(path),),
            "findings": (finding("orphans", f"orphan:{path}"), finding("btrfs-metadata")),
            "build_cache": (record("r"),),
            "releases": (release(5 * MIB, "build:r"), release(7 * MIB, f"orphan:{path}")),
            **changes,
        }
    )


def test_with_some_free_metadata_the_balance_comes_first_and_is_safe() -> None:
    made = a_scene().plan()
    assert ids(made)[0] == "btrfs.balance"
    only = step(made, "btrfs.balance")
    assert (only.risk, only.automatic, only.rule) == (Risk.SAFE, True, "btrfs-metadata")


def test_the_filter_is_derived_from_the_chunks_and_bounded() -> None:
    # Half-full chunks: 51 is the smallest filter that takes any; three of them give back what is wanted.
    assert "-dusage=51,limit=3" in step(a_scene().plan(), "btrfs.balance").command


def test_a_balance_that_must_fail_comes_after_what_frees_metadata() -> None:
    rows = ((20 * MIB, ("/docker/btrfs/subvolumes/o",)), (MIB, ("/docker/btrfs/subvolumes/r",)))
    made = a_scene(btrfs=btrfs(data=HALF, metadata=FULL, reserve=RESERVE, rows=rows)).plan()
    assert ids(made) == ["build-cache.old", "orphans", "btrfs.balance"]
    assert step(made, "btrfs.balance").risk is Risk.DESTRUCTIVE
    assert "free metadata" in step(made, "btrfs.balance").needs


def test_a_step_that_frees_only_metadata_stays_while_metadata_is_lacking() -> None:
    rows = ((20 * MIB, ("/docker/btrfs/subvolumes/o",)),)
    only_data = (release(5 * MIB, "build:r"),)
    lacking = a_scene(releases=only_data, btrfs=btrfs(data=HALF, metadata=FULL, reserve=RESERVE, rows=rows)).plan()
    assert ids(lacking) == ["build-cache.old", "orphans", "btrfs.balance"]
    assert "frees metadata" in step(lacking, "orphans").title
    about = step(lacking, "orphans").frees
    assert isinstance(about, Between)
    assert about.best == 40 * MIB, "DUP holds each block twice"
    roomy = a_scene(releases=only_data, btrfs=btrfs(data=HALF, metadata=ROOMY, reserve=RESERVE, rows=rows)).plan()
    assert "orphans" not in ids(roomy)


def test_what_frees_most_metadata_goes_first_in_its_tier() -> None:
    rows = ((20 * MIB, ("/docker/btrfs/subvolumes/r",)),)
    made = a_scene(btrfs=btrfs(data=HALF, metadata=FULL, reserve=RESERVE, rows=rows)).plan()
    assert ids(made) == ["build-cache.old", "btrfs.balance", "orphans"]
    assert step(made, "btrfs.balance").risk is Risk.SAFE


def test_a_balance_that_nothing_can_make_work_is_refused_with_the_reason() -> None:
    made = a_scene(btrfs=btrfs(data=HALF, metadata=FULL, reserve=RESERVE)).plan()
    assert "btrfs.balance" not in ids(made)
    assert any("metadata is full and nothing in this plan frees enough" in said for said in made.left_out)


def test_full_data_chunks_cannot_be_compacted() -> None:
    made = a_scene(btrfs=btrfs(data=[(240 * MIB, 239 * MIB)] * 11, metadata=ROOMY, reserve=RESERVE)).plan()
    assert "btrfs.balance" not in ids(made)
    assert any("no data chunk could be emptied" in said for said in made.left_out)


def test_no_balance_where_there_is_room_or_too_little_to_gain() -> None:
    for facts in (
        btrfs(data=HALF, metadata=FULL, unallocated=4096 * MIB),
        btrfs(data=[(240 * MIB, 230 * MIB)] * 11, metadata=(256 * MIB, 20 * MIB)),
    ):
        assert "btrfs.balance" not in ids(a_scene(btrfs=facts).plan())


def test_an_idle_half_of_the_data_chunks_is_given_back_in_time() -> None:
    made = a_scene(btrfs=btrfs(data=HALF, metadata=(256 * MIB, 20 * MIB))).plan()
    assert "btrfs.balance" in ids(made)


def test_the_emptiest_chunks_are_taken_first() -> None:
    facts = btrfs(data=[(300 * MIB, 3 * MIB), (300 * MIB, 0), *[(240 * MIB, 200 * MIB)] * 9], metadata=ROOMY)
    now = pressure(facts)
    assert now is not None
    found = squeeze(facts.chunks.value, facts.spaces.value, now)  # type: ignore[union-attr]
    assert found is not None
    assert (found.usage_percent, found.limit) == (2, 2)
    assert found.gains_raw_bytes == 600 * MIB


def test_a_filter_whose_worst_choice_does_not_fit_is_not_used() -> None:
    facts = btrfs(data=[(240 * MIB, 235 * MIB)] * 3, metadata=ROOMY)
    now = pressure(facts)
    assert now is not None
    assert squeeze(facts.chunks.value, facts.spaces.value, now) is None  # type: ignore[union-attr]


def test_bookends_are_a_proposal_with_bounds() -> None:
    facts = btrfs(data=HALF, metadata=ROOMY, unallocated=4096 * MIB, bookends=500 * MIB)
    made = a_scene(btrfs=facts, findings=(finding("btrfs-bookends"),)).plan()
    only = step(made, "btrfs.rewrite")
    assert not only.automatic
    assert "--reflink=never" in only.command
