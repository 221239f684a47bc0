"""The verdict: what holds it · what comes back with least harm, and where that leads · what a person must decide. Pure.

One line, the same in the text, the JSON, the journal, the vault, the metrics and the dashboard, whose head shows it
whole: in two rows at 80 columns. Where it does not fit, notes go first, then names are cut, then fewer are named.

Refuses to soothe where it is not known whose disk this is or how much of it was read, and to call anything the largest
that may not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from collectors import causes
from collectors.causes import is_symptom
from collectors.model import Owner
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Category
from collectors.model.plan import CALM, Finding, Holder, Resource, Severity
from collectors.model.reading import Unavailable, charged
from collectors.pipeline.clauses import Case, Form, Way, beside, comes_back, held, least_harm, name_of, named
from collectors.report import formatting

ROWS, ROW_CELLS = 2, 78  # of the dashboard's head in 80 columns
BETWEEN = " · "
_CLAIM_LETTERS = 64  # of a claim that leads the verdict: fewer say nothing

# From the fullest to the barest; all three clauses stand in each.
_FORMS = (
    Form(3, True, 80),
    Form(3, False, 80),
    Form(3, False, 80, points=True),
    *(Form(3, False, letters, short=True) for letters in (80, 60, 48, 40, 36, 32, 28, 24, 20, 17, 14)),
    Form(2, False, 40, points=True),
    *(Form(2, False, letters, short=True) for letters in (40, 32, 24, 20, 16, 12)),
    Form(1, False, 40, points=True),
    *(Form(1, False, letters, short=True) for letters in (40, 32, 24, 20, 16, 12)),
)


def verdict(case: Case) -> str:
    """The sentence, foreign names already escaped."""
    if isinstance(case.space, Unavailable):
        return f"How full the disk is could not be read: {formatting.quoted(formatting.unread(case.space), None)}"
    fails = next((f for f in case.findings if f.severity is Severity.P0 and not is_symptom(f)), None)
    said = ""
    for form in _FORMS:
        said = BETWEEN.join(part for part in _clauses(case, case.space.value, fails, replace(form, si=case.si)) if part)
        if len(formatting.rows(said, ROW_CELLS)) <= ROWS:
            break
    rows = formatting.rows(said, ROW_CELLS)
    whole = " ".join(rows[:ROWS]) + ("" if len(rows) <= ROWS else " …")
    return whole[:1].upper() + whole[1:]


def short_of(findings: Iterable[Finding]) -> Resource:
    """What the filesystem is short of, by its worst alarm; bytes where none is raised, and where alarms are equal."""
    worst, short = Severity.P3, Resource.BYTES
    for finding in findings:
        cause = causes.find(finding.rule)
        its = cause.short_of if cause is not None else None
        if its is not None and (finding.severity > worst or (finding.severity == worst and its is Resource.BYTES)):
            worst, short = finding.severity, its
    return short


def _clauses(case: Case, space: FsSpace, fails: Finding | None, form: Form) -> Iterator[str]:
    mount = formatting.quoted(case.mount, form.letters)
    if case.stands_in:
        yield f"the Docker root's disk is not known; {mount} is shown"
    if not case.of_root:
        yield f"{mount} {formatting.whole_percent(space.used_percent)} used"
    if fails is not None and not _names_holders(fails, case):
        yield formatting.quoted(fails.claim, 2 * form.letters)
        yield formatting.quoted(fails.remedy, 2 * form.letters)
    elif case.severity < Severity.P2:
        yield from _calm(case, form)
    else:
        yield from _pressing(case, space, form)


def _names_holders(fails: Finding, case: Case) -> bool:
    """Is what fails that something runs out, of which it is known who holds how much?"""
    cause = causes.find(fails.rule)
    return cause is not None and cause.short_of is Resource.CHUNKS and case.ranking.resource is Resource.CHUNKS


def _calm(case: Case, form: Form) -> Iterator[str]:
    if case.undecided:
        yield f"not known whether action is needed: {_why_not(case, form)}"
    elif not case.stands_in and case.cut is None:
        yield CALM
    yield held(case, form)


def _why_not(case: Case, form: Form) -> str:
    return formatting.quoted(case.undecided, 2 * form.letters)


def _pressing(case: Case, space: FsSpace, form: Form) -> Iterator[str]:
    alarm = _other_alarm(case)
    if alarm is not None and alarm.bytes is None:
        yield formatting.quoted(alarm.claim, max(_CLAIM_LETTERS, 2 * form.letters))
        alarm = None
    yield held(case, form) + (beside(alarm, case, form) if alarm is not None else "")
    way = least_harm(case, space)
    yield comes_back(case, way, form) or f"what can be removed is not known: {_why_not(case, form)}"
    yield for_a_person(case, way, form)


def _other_alarm(case: Case) -> Finding | None:
    """The worst finding where the alarm is not that bytes or inodes run out: a leak, a device that is missing."""
    alarms = [one for one in case.findings if one.severity >= Severity.P2]
    if case.ranking.resource is Resource.CHUNKS:
        return next((one for one in alarms if _names_holders(one, case)), None)
    if any(is_symptom(one) for one in alarms):
        return None
    return alarms[0] if alarms else None


def for_a_person(case: Case, way: Way, form: Form) -> str:
    """Those of the named that no step of the way takes, else the largest that only a person may let go."""
    gone = {target for step in way.steps for target in step.targets}
    most = named(case, form)
    left = [one for one in most if _is_somebodys(one) and not _goes(one, gone)]
    if left:
        return _decides(left, most, form)
    if way.is_enough:
        return ""
    largest = max(case.plan.for_person, key=lambda step: charged(step.frees), default=None)
    if largest is None:
        return "" if case.undecided else "nothing else can go"
    frees = formatting.size(largest.frees, si=form.si)
    return f"a person decides: {formatting.quoted(largest.title, form.letters)}, {frees}"


def _is_somebodys(one: Holder) -> bool:
    return one.category not in (Category.METADATA, Category.UNATTRIBUTED, Category.DELETED_PENDING)


def _goes(one: Holder, gone: set[Owner]) -> bool:
    return one.owner in gone if one.owner is not None else any(member.owner in gone for member in one.members)


def _decides(left: Sequence[Holder], most: Sequence[Holder], form: Form) -> str:
    """By name, where there is room; else by place, since `it` could be what comes back."""
    if len(left) == 3:
        return "a person decides on all three"
    if not (form.short or form.points) or (len(most) == 1 and not form.bare):
        return f"a person decides on {' and '.join(name_of(one, form) for one in left)}"
    if len(left) == len(most) == 2:
        return "a person decides on both"
    return f"a person decides on the {' and '.join(_PLACES[most.index(one)] for one in left)}"


_PLACES = ("first", "second", "third")
