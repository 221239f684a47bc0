"""The verdict: names, figures of what is short, least harm, what a person must decide; in two rows of 78 cells."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from collectors import causes
from collectors.ledger.ranking import most_of_it, ranked
from collectors.model import Owner, OwnerKind, key_words
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Holder, Plan, Resource, Risk, Severity, Step, Unlock
from collectors.model.reading import AtLeast, Exact, Size
from collectors.pipeline.clauses import Case, CutShort
from collectors.pipeline.verdict import BETWEEN, ROW_CELLS, ROWS, short_of, verdict
from collectors.report import formatting
from tests.ledger.test_ranking import Made, hosts
from tests.planning.build import GIB, HERE, MIB, UNREAD, exact, finding
from tui.view_models.categories import label_of

NO_PLAN = Plan((), (), ())
FULL = Finding("disk-full", Severity.P1, "the disk is above 80%", None, (), "follow the plan", (), True)
INODES = Finding("inodes-exhausted", Severity.P1, "91% of the inodes are used", None, (), "make room", (), True)


def space(used: int, total: int, inodes: int = 0, inodes_used: int = 0) -> FsSpace:
    free = total - used
    return FsSpace(1, 4096, total, free, free, inodes, inodes - inodes_used, inodes - inodes_used, False)


def thing(
    kind: OwnerKind,
    category: Category,
    name: str,
    size: Size,
    *,
    note: str = "",
    inodes: int = 1,
    growth: int | None = None,
) -> Holder:
    return Holder(Owner(kind, name), category, name, f"/d/{name}", note, size, exact(inodes), growth, ())


def group(category: Category, name: str, *members: Holder) -> Holder:
    size: Size = exact(sum(one.bytes.value for one in members if isinstance(one.bytes, Exact)))
    if any(not isinstance(one.bytes, Exact) for one in members):
        size = AtLeast(0, (UNREAD,), HERE)
    inodes = exact(sum(one.inodes.value for one in members if isinstance(one.inodes, Exact)))
    return Holder(None, category, name, "", "", size, inodes, None, members)


def step(owner: Owner, rule: str, frees: int) -> Step:
    title = f"Remove {owner.id}"
    cause = causes.find(rule)
    harm = cause.harm if cause is not None and cause.harm is not None else Harm.TIME
    target = (owner,)
    return Step(
        owner.text(), "x.remove", title, "rm", target, exact(frees), Risk.SAFE, harm, "", "", "", rule, True, rule
    )


def a_plan(*steps: Step) -> Plan:
    unlocks = (Unlock(frozenset({one.id}), one.frees.value) for one in steps if isinstance(one.frees, Exact))
    return Plan(steps, tuple(unlocks), ())


def a_case(*found: Holder, plan: Plan = NO_PLAN, alarm: Finding | None = FULL, room: FsSpace | None = None,
           grown: int | None = None, **other: object) -> Case:  # fmt: skip
    room = room or space(86 * GIB, 100 * GIB)
    findings = (alarm,) if alarm else ()
    ranking = ranked(found, short_of(findings), exact(room.used_bytes), grown)
    severity = alarm.severity if alarm else Severity.OK
    case = Case("/", True, Exact(room, HERE), ranking, findings, plan, severity, 70, None, False, "")
    return replace(case, **other)  # type: ignore[arg-type]


DUMP = thing(OwnerKind.PATH, Category.OTHER_FILES, "/srv/dump", exact(40 * GIB))
VOLUME = thing(OwnerKind.VOLUME, Category.VOLUMES, "volume pg", exact(20 * GIB), note="in use by db-1")
LAYER = thing(OwnerKind.CONTAINER, Category.CONTAINERS, "web-1's layer", exact(18 * GIB), note="running")
LOG = thing(OwnerKind.LOG, Category.LOGS, "web-1's log", exact(30 * GIB), note="no size limit")
SMALL = tuple(thing(OwnerKind.LOG, Category.LOGS, f"api-{n}'s log", exact(MIB)) for n in range(3))
LOGS = group(Category.LOGS, "4 container logs", LOG, *SMALL)
CACHE = Owner(OwnerKind.BUILD, "r")


def others(*things: Holder) -> tuple[Holder, ...]:
    return tuple(group(one.category, one.category.value, one) for one in things)


def test_things_in_use_and_not_dockers_are_named_and_a_person_is_told() -> None:
    told = verdict(a_case(*others(DUMP, VOLUME, LAYER), plan=a_plan(step(CACHE, "build-cache", 2 * GIB))))
    assert told == (
        "40.0 GiB in /srv/dump, 20.0 GiB in volume pg, 18.0 GiB in web-1's layer"
        " · build cache gives back 2.0 GiB (no cost) → 84% · a person decides on all three"
    )


def test_a_member_that_is_most_of_its_class_stands_for_it() -> None:
    told = verdict(a_case(LOGS, plan=a_plan(step(Owner(OwnerKind.LOG, "web-1's log"), "logs-unbounded", 29 * GIB))))
    assert told == (
        "30.0 GiB in web-1's log (no size limit); 3 more are small · container logs give back 29.0 GiB "
        "(logs lost) → 57%"
    )


def test_the_least_harm_that_is_enough_is_told_and_no_more() -> None:
    image, log = Owner(OwnerKind.IMAGE, "sha256:a"), Owner(OwnerKind.LOG, "web-1's log")
    steps = (
        step(CACHE, "build-cache", 9 * GIB),
        step(image, "dangling-images", 8 * GIB),
        step(log, "logs-unbounded", 29 * GIB),
    )
    assert "build cache and images give back 17.0 GiB (rebuild) → 69%" in verdict(a_case(LOGS, plan=a_plan(*steps)))
    assert "logs" in verdict(a_case(LOGS, plan=a_plan(*steps[1:]))).partition(BETWEEN)[2]


def test_the_alarm_about_inodes_is_answered_in_inodes() -> None:
    full = thing(OwnerKind.VOLUME, Category.VOLUMES, "volume mail", exact(60 * MIB), inodes=14_000)
    cache = thing(OwnerKind.BUILD, Category.BUILD_CACHE, "r", exact(9 * GIB), inodes=900)
    case = a_case(*others(full, cache), alarm=INODES, room=space(10 * GIB, 100 * GIB, 16_000, 15_000),
                  plan=a_plan(step(CACHE, "build-cache", 9 * GIB)), calm_percent=90)  # fmt: skip
    told = verdict(case)
    assert told == (
        "14,000 inodes in volume mail · build cache gives back 900 inodes (no cost) → 89% of inodes"
        " · a person decides on volume mail"
    )


def test_bytes_are_short_where_both_alarms_are_as_bad() -> None:
    assert short_of((INODES, FULL)) is short_of((FULL, INODES)) is Resource.BYTES
    assert short_of((replace(INODES, severity=Severity.P0), FULL)) is Resource.INODES
    assert short_of((replace(INODES, severity=Severity.P3),)) is Resource.BYTES


def test_the_largest_and_who_grows_are_both_said_where_they_differ() -> None:
    growing = thing(OwnerKind.LOG, Category.LOGS, "web-1's log", exact(2 * GIB), growth=48 * GIB)
    told = verdict(a_case(*others(DUMP, growing), grown=50 * GIB, room=space(86 * GIB, 100 * GIB)))
    assert told.startswith("Largest: 40.0 GiB in /srv/dump; growing: web-1's log +2.0 GiB/h")
    alone = verdict(a_case(*others(replace(DUMP, growth_bytes_per_day=12 * MIB)), grown=12 * MIB))
    assert alone.startswith("40.0 GiB in /srv/dump, growing +12.0 MiB/day")
    unsure = (*others(growing), group(Category.VOLUMES, "v", replace(VOLUME, bytes=AtLeast(20 * GIB, (UNREAD,), HERE))))
    assert verdict(a_case(*unsure, *others(DUMP), grown=50 * GIB)).startswith("Large: ")


def test_a_cut_walk_says_how_far_it_came_and_calls_nothing_largest() -> None:
    read = AtLeast(54 * MIB, (UNREAD,), HERE)
    images = group(Category.IMAGES, "1 image", thing(OwnerKind.IMAGE, Category.IMAGES, "image a", read))
    told = verdict(a_case(images, alarm=None, cut=CutShort(146_000, 655_360)))
    assert told == "So far ≥ 54.0 MiB in image a (146k of 655k inodes read, the next run goes on)"
    assert "no action" not in told.lower()


def test_no_word_soothes_where_the_disk_is_not_known_to_be_dockers() -> None:
    told = verdict(a_case(*others(VOLUME), alarm=None, stands_in=True, undecided="engine.info: timed out"))
    assert told.startswith("The Docker root's disk is not known; / is shown · ")
    for word in ("no action", "nothing presses", "well"):
        assert word not in told.lower().replace("not known whether action is needed", "")


def test_what_could_not_be_decided_is_said_before_what_was_seen() -> None:
    told = verdict(a_case(*others(VOLUME), alarm=None, undecided="engine.info: timed out"))
    assert told.startswith("Not known whether action is needed: engine.info: timed out · 20.0 GiB in volume pg")
    assert verdict(a_case(*others(VOLUME), alarm=None)).startswith("No action needed · 20.0 GiB in volume pg")


def test_where_nobody_could_list_what_there_is_it_is_not_said_that_nothing_can_go() -> None:
    """Who has no right to ask the engine, on a disk that is full."""
    unseen = thing(OwnerKind.PATH, Category.UNATTRIBUTED, "unattributed use", exact(80 * GIB))
    told = verdict(a_case(*others(unseen), undecided="no engine (not permitted)"))
    assert told == "80.0 GiB in unattributed use · what can be removed is not known: no engine (not permitted)"
    known = verdict(a_case(*others(unseen)))
    assert known == "80.0 GiB in unattributed use · nothing to remove would help · nothing else can go"


def test_an_alarm_that_is_not_about_room_is_told_beside_who_holds_it() -> None:
    leak = replace(finding("orphans", count=9 * GIB), category=Category.ORPHANS)
    layer = thing(OwnerKind.ORPHAN, Category.ORPHANS, "orphaned layer abc", exact(9 * GIB))
    assert "40.0 GiB in /srv/dump; alarm: 9.0 GiB in orphaned layer abc" in verdict(
        a_case(*others(DUMP, layer), alarm=leak)
    )
    missing = replace(finding("device"), claim="a device is missing")
    assert verdict(a_case(*others(DUMP), alarm=missing)).startswith("A device is missing · 40.0 GiB")


def test_it_is_whole_in_two_rows_and_names_who_is_ranked_first() -> None:
    for host in (*hosts(exactly=True)[:600], *hosts(exactly=False)[:600]):
        case = _with_long_names(host)
        told = verdict(case)
        assert len(formatting.rows(told, ROW_CELLS)) <= ROWS
        assert len(told) <= 160
        assert not told.endswith("…")
        assert "largest" not in told.lower() or case.ranking.certain
        for one in most_of_it(case.ranking)[:1]:
            assert formatting.size(one.bytes) in told.partition(BETWEEN)[0]


def _with_long_names(host: Made) -> Case:
    chance = Random(repr(host.truths))
    named = most_of_it(ranked(host.found, Resource.BYTES, exact(host.used)))
    names = {one.name: "".join(chance.choice("abc /-x字") for _ in range(chance.randint(1, 90))) for one in named}
    plan = a_plan(step(CACHE, "build-cache", chance.randint(1, 9 * GIB)))
    return a_case(*(_renamed(one, names) for one in host.found), plan=plan)


def _renamed(one: Holder, names: dict[str, str]) -> Holder:
    """The things of a class; what a class is called is ours."""
    members = tuple(replace(member, name=names.get(member.name, member.name)) for member in one.members)
    return replace(one, members=members)


def test_a_name_cannot_forge_a_field_or_markdown() -> None:
    evil = replace(VOLUME, name="volume a\n## Disk: 1% [x](y)")
    told = verdict(a_case(*others(evil)))
    assert "\n" not in told
    assert "[x]" not in told


def test_sizes_are_told_in_the_units_that_were_asked_for() -> None:
    plan = a_plan(step(CACHE, "build-cache", 2 * GIB))
    told = verdict(a_case(*others(DUMP, VOLUME), plan=plan, si=True))
    assert told.startswith("42.9 GB in /srv/dump · ")
    assert "build cache gives back 2.1 GB" in told
    assert "GiB" not in told


def test_a_category_has_one_name_in_the_sentence_and_on_the_screen() -> None:
    for category in Category:
        assert label_of(category).title.casefold() == category.words.casefold()
    assert [Category.LOGS.counted(1), Category.LOGS.counted(3)] == ["1 container log", "3 container logs"]
    assert Category.BUILD_CACHE.counted(7) == "build cache"


def test_a_figure_of_the_journal_is_called_as_people_call_the_thing() -> None:
    assert key_words("owner:log:web-1") == "container web-1's log"
    assert key_words("container:web-1") == "container web-1's layer"
    assert key_words(f"owner:volume:{'ab' * 32}") == "volume abababababab"
    assert key_words("docker_other") == "docker_other"
