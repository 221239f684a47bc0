"""The verdict where a btrfs can get no chunk for metadata any more: who holds the metadata, and who gives it back."""

from __future__ import annotations

from dataclasses import replace

from collectors.ledger import account
from collectors.ledger.ranking import rank
from collectors.model import OwnerKind
from collectors.model.filesystem import Share
from collectors.model.plan import Finding, Harm, Plan, Ranking, Resource, Risk, Severity, Step
from collectors.model.reading import Exact, charged
from collectors.model.report import TrendView
from collectors.model.store import UnitKind
from collectors.pipeline.clauses import Case
from collectors.pipeline.verdict import verdict
from tests.ledger.build import occupancy, snapshot, study, unit
from tests.owners import owner
from tests.planning.build import GIB, HERE, MIB, btrfs, exact

FULL = Finding("btrfs-metadata", Severity.P0, "writes fail next: btrfs metadata is full", None, (), "free metadata", (),
               True)  # fmt: skip
ROOMY = Finding("disk-full", Severity.P2, "the disk is above 70%", None, (), "follow the plan", (), True)
# Much data and few tree blocks, and the other way round.
BACKUP, MAILS, CACHE = (
    unit("pg", UnitKind.VOLUME, "volume:pg"),
    unit("mails", UnitKind.VOLUME, "volume:mails"),
    unit("kept", UnitKind.BUILD_SNAPSHOT, "build:kept"),
)


def holders(loose: int = 20 * MIB, *, seen: bool = True) -> Ranking:
    """`loose`: metadata of files outside subvolumes, one copy; `seen`: were tree blocks read?"""
    shares = tuple(
        Share(frozenset({one.id}), data + trees, trees, None)
        for one, data, trees in ((BACKUP, 40 * GIB, MIB), (MAILS, GIB, 600 * MIB), (CACHE, 2 * GIB, 90 * MIB))
    )
    facts = btrfs(data=(), metadata=(GIB, GIB), rows=((loose, ("",)), (5, ("mails",))), copies=2)
    if isinstance(facts.sharing, Exact) and not seen:
        facts = replace(facts, sharing=Exact(replace(facts.sharing.value, tree_metadata_bytes=None), HERE))
    one = study((BACKUP, MAILS, CACHE), Exact(occupancy(shares), HERE), used=50 * GIB, total=100 * GIB, own=loose * 3)
    one = replace(one, filesystem_facts=Exact(facts, HERE))
    made = account(snapshot(one), one)
    return rank(one, made.ledger, made.books, TrendView(0, None, (), (), (), (), "", 0), Resource.CHUNKS)


def remove(who: str, title: str, cause: str, harm: Harm = Harm.TIME) -> Step:
    targets = (owner(who),) if who else ()
    return Step(title, "x", title, "rm", targets, exact(GIB), Risk.SAFE, harm, "", "", "", cause, True, cause)


def said(ranking: Ranking, *steps: Step, person: tuple[Step, ...] = ()) -> str:
    used = study((), Exact(occupancy(()), HERE), used=50 * GIB, total=100 * GIB)
    plan = Plan(steps, (), (), for_person=person)
    space, findings = used.filesystem.space, (FULL, ROOMY)
    return verdict(Case("/", True, space, ranking, findings, plan, Severity.P0, 70, None, False, ""))


def test_who_holds_the_metadata_is_named_and_not_who_holds_the_bytes() -> None:
    ranking = holders()
    assert ranking.resource is Resource.CHUNKS
    assert [(one.name, charged(one.bytes) // MIB) for one in ranking.holders[:3]] == [
        ("volume mails", 600), ("build cache of kept", 90), ("files outside subvolumes", 40),
    ]  # fmt: skip
    told = said(ranking)
    assert told.startswith("Writes fail next: btrfs metadata is full · 600.0 MiB of it in volume mails")
    assert "pg" not in told
    assert "GiB" not in told


def test_what_comes_back_is_metadata_and_enough_where_a_balance_can_then_work() -> None:
    cache, balance = remove("build:kept", "Remove build cache", "build-cache"), remove("", "Compact", "btrfs-metadata")
    assert said(holders(), cache).endswith(
        "plan frees 90.0 MiB (rebuild), too little · a person decides on volume mails"
    )
    told = said(holders(), cache, balance)
    assert told.endswith("plan frees 90.0 MiB (rebuild), then balance · a person decides on volume mails")
    assert "a balance makes room · a person" in said(holders(), balance)
    nobody = said(holders(), person=(remove("volume:mails", "Remove the volume mails", "unused-volumes", Harm.DATA),))
    assert "nothing comes back without a person" in nobody


def test_files_outside_subvolumes_are_a_holder_of_their_own_and_no_part_of_the_filesystem_itself() -> None:
    first, *_ = holders(2 * GIB).holders
    assert (first.name, charged(first.bytes)) == ("files outside subvolumes", 4 * GIB)
    (itself,) = (one for one in holders(2 * GIB).holders if one.name == "the filesystem itself")
    assert charged(itself.bytes) == 2 * GIB
    assert first.owner is None


def test_a_directory_of_the_host_whose_leaves_are_its_own_is_named_by_its_path() -> None:
    thumbs = replace(unit("/srv/thumbs", UnitKind.HOST), path="/srv/thumbs")
    shares = (Share(frozenset({thumbs.id}), 900 * MIB, 900 * MIB, None), Share(frozenset({MAILS.id}), GIB, 5, None))
    facts = btrfs(data=(), metadata=(GIB, GIB), rows=((20 * MIB, ("",)),), copies=2)
    one = study((thumbs, MAILS), Exact(occupancy(shares), HERE), used=50 * GIB, total=100 * GIB, own=60 * MIB)
    one = replace(one, filesystem_facts=Exact(facts, HERE))
    made = account(snapshot(one), one)
    ranking = rank(one, made.ledger, made.books, TrendView(0, None, (), (), (), (), "", 0), Resource.CHUNKS)
    assert [(first.name, charged(first.bytes)) for first in ranking.holders[:1]] == [("/srv/thumbs", 900 * MIB)]


def test_where_tree_blocks_were_not_seen_the_verdict_is_about_bytes() -> None:
    ranking = holders(seen=False)
    assert ranking.resource is Resource.BYTES
    assert ranking.holders[0].name == "volume pg"
    assert ranking.holders[0].owner is not None
    assert ranking.holders[0].owner.kind is OwnerKind.VOLUME
    assert said(ranking) == "Writes fail next: btrfs metadata is full · free metadata"
