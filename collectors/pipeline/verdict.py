"""The verdict: what holds it · what comes back with least harm, and where that leads · what a person must decide. Pure.

One line, the same in the text, the JSON, the journal, the vault, the metrics and the dashboard, whose head shows it
whole: in two rows at 80 columns. Where it does not fit, notes go first, then names are cut, then fewer are named.

Refuses to soothe where it is not known whose disk this is or how much of it was read, and to call anything the largest
that may not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collectors import causes
from collectors.causes import is_symptom
from collectors.model.filesystem import FsSpace
from collectors.model.finding import CALM, Finding, Resource, Severity
from collectors.model.reading import Unavailable
from collectors.pipeline.clauses import Case, Form, beside, comes_back, for_a_person, held, least_harm
from collectors.report import formatting

ROWS, ROW_CELLS = 2, 78  # of the dashboard's head in 80 columns
BETWEEN = " · "

# From the fullest to the barest; all three clauses stand in each.
_FORMS = (
    Form(3, True, 80),
    Form(3, False, 80),
    *(Form(3, False, letters, short=True) for letters in (80, 60, 48, 40, 36, 32, 28, 24, 20, 17, 14)),
    *(Form(2, False, letters, short=True) for letters in (40, 32, 24, 20, 16, 12)),
    *(Form(1, False, letters, short=True) for letters in (40, 32, 24, 20, 16, 12)),
)


def verdict(case: Case) -> str:
    """The sentence, foreign names already escaped."""
    if isinstance(case.space, Unavailable):
        return f"How full the disk is could not be read: {formatting.quoted(formatting.unread(case.space), None)}"
    fails = next((f for f in case.findings if f.severity is Severity.P0 and not is_symptom(f)), None)
    said = ""
    for form in _FORMS:
        said = BETWEEN.join(part for part in _clauses(case, case.space.value, fails, form) if part)
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
    if fails is not None:
        yield formatting.quoted(fails.claim, 2 * form.letters)
        yield formatting.quoted(fails.remedy, 2 * form.letters)
    elif case.severity < Severity.P2:
        yield from _calm(case, form)
    else:
        yield from _pressing(case, space, form)


def _calm(case: Case, form: Form) -> Iterator[str]:
    if case.undecided:
        yield f"not known whether action is needed: {formatting.quoted(case.undecided, 2 * form.letters)}"
    elif not case.stands_in and case.cut is None:
        yield CALM
    yield held(case, form)


def _pressing(case: Case, space: FsSpace, form: Form) -> Iterator[str]:
    alarm = _other_alarm(case)
    if alarm is not None and alarm.bytes is None:
        yield formatting.quoted(alarm.claim, 2 * form.letters)
        alarm = None
    yield held(case, form) + (beside(alarm, case, form) if alarm is not None else "")
    way = least_harm(case, space)
    yield comes_back(case, way, form)
    yield for_a_person(case, way, form)


def _other_alarm(case: Case) -> Finding | None:
    """The worst finding where the alarm is not that something runs out: a leak, a device that is missing."""
    alarms = [one for one in case.findings if one.severity >= Severity.P2]
    if any(is_symptom(one) for one in alarms):
        return None
    return alarms[0] if alarms else None
