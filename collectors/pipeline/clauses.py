"""The three clauses of the verdict: who holds it, what comes back with least harm, what a person must decide. Pure.

Each in as many or as few words as there is room for. Foreign names are escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from collectors import causes
from collectors.ledger.holders import CONTAINER, KINDS
from collectors.ledger.ranking import ALIKE_SHARE, WORTH_SHARE, most_of_it
from collectors.model import dataclass
from collectors.model.filesystem import FsSpace, used_percent
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Holder, Plan, Ranking, Resource, Severity, Step
from collectors.model.reading import Reading, charged
from collectors.report import formatting

_SMALL_SHARE = 0.1  # of the one that is named: the others of its class are no news
_HOUR_BYTES = 24 << 20  # from here on growth is told by the hour, below it by the day


@dataclass(frozen=True, slots=True)
class CutShort:
    """How far a walk came that was cut short: inodes that it met, of those in use; None where nobody counts them."""

    read: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """What a verdict is about: one filesystem, judged. `mount` is where it is mounted."""

    mount: str
    of_root: bool  # is it the Docker root's? Another one is named
    space: Reading[FsSpace]
    ranking: Ranking
    findings: tuple[Finding, ...]
    plan: Plan
    severity: Severity
    calm_percent: int  # below so much of what is short nothing presses
    cut: CutShort | None  # None: what could be read was read
    stands_in: bool  # is this only where Docker's data would usually be?
    undecided: str  # why it is not known whether anything presses; "" where it is
    si: bool = False  # are sizes told in powers of 1000?


BARE_LETTERS = 24


@dataclass(frozen=True, slots=True)
class Form:
    """How much is told: at most so many names, of so many characters, with notes or without, in long words or short."""

    names: int
    notes: bool
    letters: int
    short: bool = False
    si: bool = False
    points: bool = False  # what a person decides on is told by its place, where that is shorter

    @property
    def bare(self) -> bool:
        """Not a word that can be spared."""
        return self.short and self.letters <= BARE_LETTERS


# What holds it.


def named(case: Case, form: Form) -> tuple[Holder, ...]:
    """Who is named. What a cut walk has not read yet is not unexplained."""
    ranking = case.ranking
    if case.cut is not None:
        read = tuple(one for one in ranking.holders if one.category is not Category.UNATTRIBUTED)
        ranking = replace(ranking, holders=read)
    return most_of_it(ranking)[: form.names]


def held(case: Case, form: Form) -> str:
    ranking, most = case.ranking, named(case, form)
    if not most:
        return _progress(case.cut, form) if case.cut else ""
    growing = ranking.growing
    if growing is not None and growing.name != most[0].name:
        word = "largest" if ranking.certain else "large"
        told = f"{word}: {', '.join(_amount(one, ranking, form) for one in _alike(most, ranking))}"
        return f"{told}; growing: {name_of(growing, form)} {_rate(growing, form)}{_cut_note(case.cut, form)}"
    told = ", ".join(_amount(one, ranking, form, again=one is not most[0]) for one in most)
    told += _more_of(most, ranking, form)
    return f"so far {told}{_cut_note(case.cut, form)}" if case.cut else told


def _more_of(named: Sequence[Holder], ranking: Ranking, form: Form) -> str:
    """That one of those named grows; else that, beside a single one, its like are small."""
    if ranking.growing is not None:
        which = "" if len(named) == 1 else f" {name_of(ranking.growing, form)}"
        return f", growing{which} {_rate(ranking.growing, form)}"
    return _others_are_small(named[0], ranking) if len(named) == 1 and form.notes else ""


def _alike(named: Sequence[Holder], ranking: Ranking) -> Sequence[Holder]:
    """Those that are as good as equal to the first."""
    least = ALIKE_SHARE * charged(named[0].weight(ranking.resource))
    return [one for one in named if charged(one.weight(ranking.resource)) >= least]


def beside(alarm: Finding, case: Case, form: Form) -> str:
    """What the alarm is about, where that is none of those named: by its largest holder, as everything is."""
    most = named(case, form)
    about = next((one for one in case.ranking.holders if one.category is alarm.category), None)
    if form.short or alarm.bytes is None:
        return ""
    if about is None:
        claim = formatting.quoted(alarm.claim, 2 * form.letters)
        return f"; alarm: {claim}, {formatting.size(alarm.bytes, si=form.si)}"
    if about in most or charged(about.bytes) < WORTH_SHARE * charged(most[0].bytes):
        return ""
    return f"; alarm: {_amount(about, case.ranking, form)}"


def _amount(one: Holder, ranking: Ranking, form: Form, *, again: bool = False) -> str:
    note = f" ({formatting.quoted(one.note, form.letters)})" if form.notes and one.note else ""
    size = one.weight(ranking.resource)
    count = formatting.size(size, si=form.si)
    if ranking.resource is Resource.CHUNKS and not again:
        count += " of it"  # of the metadata, which the clause before names
    if ranking.resource is Resource.INODES:
        count = f"{charged(size):,}" if again else formatting.count(charged(size), "inode")
    return f"{count} in {name_of(one, form)}{note}"


def name_of(one: Holder, form: Form) -> str:
    """What it is stands whole, and so does a class; only a thing's own name is cut."""
    if one.owner is None:
        return one.name
    kind = next((kind for kind in KINDS if one.name.startswith(kind)), "")
    own = one.name.removeprefix(kind)
    tail = "" if one.name.startswith("/") or kind not in ("", CONTAINER) else "".join(own.rpartition("'s ")[1:])
    tail = tail if tail.startswith("'s ") else ""
    kind = "" if form.short and kind == CONTAINER else kind
    return f"{kind}{formatting.quoted(own.removesuffix(tail), form.letters)}{tail}"


def _rate(one: Holder, form: Form) -> str:
    by_day = one.growth_bytes_per_day or 0
    count, span = (by_day // 24, "h") if by_day >= _HOUR_BYTES else (by_day, "day")
    return f"+{formatting.bytes_(count, si=form.si)}/{span}"


def _others_are_small(one: Holder, ranking: Ranking) -> str:
    """`; 3 more are small`, where it is one of several that nobody needs to look at beside it."""
    mine = next((each for each in ranking.classes if one in each.members), None)
    if mine is None:
        return ""
    rest = charged(mine.weight(ranking.resource)) - charged(one.weight(ranking.resource))
    count = len(mine.members) - 1
    if not count or rest > _SMALL_SHARE * charged(one.weight(ranking.resource)):
        return ""
    return f"; {count:,} more {'is' if count == 1 else 'are'} small"


def _cut_note(cut: CutShort | None, form: Form) -> str:
    return f" ({_progress(cut, form)})" if cut else ""


def _progress(cut: CutShort, form: Form) -> str:
    if form.bare and cut.used:
        return f"{100 * cut.read // cut.used}% of inodes read"
    of = "" if cut.used is None else f" of {_thousands(cut.used)}"
    return f"{_thousands(cut.read)}{of} inodes read" + ("" if form.short else ", the next run goes on")


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count:,}"


# What comes back with least harm.

_PRICES = {
    Harm.NONE: "no cost",
    Harm.TIME: "rebuild",
    Harm.HISTORY: "logs lost",
    Harm.STATE: "check first",
}


@dataclass(frozen=True, slots=True)
class Way:
    """The steps up to a harm: the least one that is enough, else all that is below data.

    `freed` is of what is short, in bytes or inodes, and so is `used_percent`, of which it is once all steps are done.
    `guessed`: estimates of what was not measured are in both.
    """

    steps: tuple[Step, ...]
    freed: int
    harm: Harm
    used_percent: int
    is_enough: bool
    guessed: bool


def least_harm(case: Case, space: FsSpace) -> Way:
    """What is measured, where that is enough or all there is; else with what is only estimated."""
    sure, likely = (_way(case, space, guessed=guessed) for guessed in (False, True))
    return likely if likely.guessed and not sure.is_enough and (likely.is_enough or not sure.freed) else sure


def _way(case: Case, space: FsSpace, *, guessed: bool) -> Way:
    """Of metadata enough is freed once the step that makes room for it can be done."""
    guessed = guessed and case.plan.likely_bytes(case.plan.ids) > 0
    way = Way((), 0, Harm.NONE, 0, False, guessed)
    for total in case.plan.harms():
        steps = (*way.steps, *total.steps)
        freed = _freed(case, steps, total.so_far_bytes + guessed * total.likely_so_far_bytes)
        percent = _after(case.ranking.resource, space, freed)
        enough = freed > 0 and percent < case.calm_percent
        if case.ranking.resource is Resource.CHUNKS:
            enough = _makes_room(steps)
        way = Way(steps, freed, total.harm if freed > way.freed else way.harm, percent, enough, guessed)
        if enough:
            break
    return way


def _freed(case: Case, steps: Sequence[Step], so_far_bytes: int) -> int:
    """What these steps free of what is short: inodes are those that nobody else of the same class has."""
    resource = case.ranking.resource
    if resource is Resource.BYTES:
        return so_far_bytes
    gone = {target for step in steps for target in step.targets}
    members = (one for each in case.ranking.classes for one in each.members)
    return sum(charged(one.weight(resource)) for one in members if one.owner in gone)


def _makes_room(steps: Iterable[Step]) -> bool:
    """Is one of them the remedy of the cause that raises the alarm over chunks?"""
    found = (causes.find(step.cause) for step in steps)
    return any(cause is not None and cause.short_of is Resource.CHUNKS for cause in found)


def _after(resource: Resource, space: FsSpace, freed: int) -> int:
    if resource is Resource.INODES:
        return used_percent(max(0, (space.inodes_used or 0) - freed), space.inodes)
    return space.used_percent_after(freed)


def comes_back(case: Case, way: Way, form: Form) -> str:
    """`images and build cache give back 416.0 MiB (rebuild) → 72%`; "" where nobody could list what there is."""
    if not way.freed and not (case.ranking.resource is Resource.CHUNKS and way.is_enough):
        nothing = "nothing comes back without a person" if case.plan.for_person else "nothing to remove would help"
        return "" if case.undecided else nothing
    if case.ranking.resource is Resource.CHUNKS:
        return _metadata_back(way, form)
    return _room_back(case, way, form)


def _room_back(case: Case, way: Way, form: Form) -> str:
    """Of bytes or inodes, with the fill to which it leads."""
    inodes, about = case.ranking.resource is Resource.INODES, "~" if way.guessed else ""
    freed = f"{way.freed:,}" if inodes else f"{about}{formatting.bytes_(way.freed, si=form.si)}"
    leads = f"({_PRICES[way.harm]}) → {about}{formatting.whole_percent(way.used_percent)}"
    if form.short:
        return f"{freed} back {leads}" if form.bare else f"plan frees {freed} {leads}"
    if inodes:
        freed, leads = formatting.count(way.freed, "inode"), f"{leads} of inodes"
    if case.plan.target is not None:
        leads += f" (target {case.plan.target.percent:g}%)"
    kinds = _kinds(way.steps)
    return f"{_giving(kinds)} back {freed} {leads}"


def _metadata_back(way: Way, form: Form) -> str:
    """`build cache gives back 12.0 MiB of metadata (rebuild), then a balance makes room`."""
    if not way.freed:
        return "a balance makes room"
    kinds, freed = _kinds(way.steps), formatting.bytes_(way.freed, si=form.si)
    if form.short:
        return f"plan frees {freed} ({_PRICES[way.harm]}), {'then balance' if way.is_enough else 'too little'}"
    then = "then a balance makes room" if way.is_enough else "too little for a balance"
    return f"{_giving(kinds)} back {freed} of metadata ({_PRICES[way.harm]}), {then}"


def _giving(kinds: Sequence[str]) -> str:
    """`images and build cache give`."""
    return f"{' and '.join(kinds)} {'gives' if kinds == [Category.BUILD_CACHE.words] else 'give'}"


def _kinds(steps: Sequence[Step]) -> list[str]:
    """At most two words for what the steps remove, the one that frees most first."""
    sums: dict[str, int] = {}
    for step in steps:
        cause = causes.find(step.cause or step.rule)
        word = cause.category.words if cause is not None and cause.category else "leftovers"
        sums[word] = sums.get(word, 0) + charged(step.frees)
    return sorted(sums, key=lambda word: -sums[word])[:2]
