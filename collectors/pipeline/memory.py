"""The journal's part in a run: what was, which alarms stand over several runs, how a filesystem grows.

P0 is raised by one run, everything else by two that agree. A severity comes down when the runs in a row that say so are
enough, and for a fill level only `clear_points` below where it began. A run that could not tell moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from collectors.causes import disk_full, placed
from collectors.forecast import only
from collectors.forecast.churn import churn
from collectors.forecast.view import build_steps, look_back, view
from collectors.journal import Journal
from collectors.journal.encoding import short_id
from collectors.ledger import Account
from collectors.ledger.item_builder import removable
from collectors.ledger.release_table import freed_beside
from collectors.model import ImageId, Owner, OwnerKind, dataclass
from collectors.model.plan import Finding, Severity
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why
from collectors.model.report import TrendView
from collectors.model.settings import Thresholds
from collectors.model.snapshot import FilesystemStudy, Outcome, Snapshot, SourceReport
from collectors.pipeline.image_history import Builds
from collectors.system.folders import Folder


@dataclass(frozen=True, slots=True)
class Said:
    """What one run says: `raises` on its own figures, and what it would still `hold` if it stood already."""

    raises: Severity
    holds: Severity


def level(used_percent: int, thresholds: Thresholds) -> Said:
    """What a fill level says, from the same used % that is shown."""
    return Said(thresholds.level(used_percent), thresholds.level(used_percent + thresholds.clear_points))


def settled_severity(said: Sequence[Said | None], thresholds: Thresholds) -> Severity:
    """The severity that stands after these runs, oldest first; None for a run that could not tell."""
    standing = Severity.OK
    told = [one for one in said if one is not None]
    for count in range(1, len(told) + 1):
        standing = _after(standing, told[:count], thresholds)
    return standing


def _after(standing: Severity, told: Sequence[Said], thresholds: Thresholds) -> Severity:
    """What stands after the last of these runs, `standing` having stood before it."""
    if told[-1].raises is Severity.P0:
        return Severity.P0
    agreed = min(known.raises for known in told[-thresholds.raise_runs :])
    if agreed > standing and len(told) >= thresholds.raise_runs:
        return agreed
    held = max(known.holds for known in told[-thresholds.clear_runs :])
    return held if held < standing and len(told) >= thresholds.clear_runs else standing


def fill_severity(used_percents: Sequence[int | None], thresholds: Thresholds) -> Severity:
    """The severity of how full the disk is after these runs, oldest first, the present one last."""
    return settled_severity([None if used is None else level(used, thresholds) for used in used_percents], thresholds)


def rule_severity(raws: Sequence[Severity], thresholds: Thresholds) -> Severity:
    """The severity of one rule after these runs, oldest first: what each run alone said, OK where it was silent."""
    return settled_severity([Said(raw, raw) for raw in raws], thresholds)


def raws(journal: Journal, name: str) -> tuple[Severity, ...]:
    """What each run of the journal said about a rule on its own, oldest first."""
    return tuple(
        max((noted.raw for noted in record.findings if noted.rule == name), default=Severity.OK)
        for record in journal.records
    )


# An earlier run confirms or settles an alarm only while it is part of the same story.
_FRESH = timedelta(hours=3)
_RUNS = 12


@dataclass(frozen=True, slots=True)
class Memory:
    """`journal`: the last week, None where none is kept; `month`: that and samples of the weeks before.

    `trend` is of the filesystem of the newest run until `at` has a snapshot to tell which one the Docker root's is.
    """

    trend: TrendView
    journal: Journal | None
    month: Journal | None = None
    views: dict[str, TrendView] = field(default_factory=dict, compare=False, repr=False)  # kept by `trend_of`

    def at(self, snapshot: Snapshot, thresholds: Thresholds) -> Memory:
        """With the trend of the Docker root's filesystem, where the newest run of the folder saw another one."""
        root = snapshot.studies[0] if snapshot.studies else None
        known = self.month.records if self.month is not None else ()
        if root is None or not known or known[-1].filesystem == root.identity or _is_unsure(root):
            return self
        return replace(self, trend=self.trend_of(root, snapshot.ended_at, thresholds))

    def journal_of(self, study: FilesystemStudy, *, of_root: bool) -> Journal | None:
        """The runs that saw this filesystem; None where no journal is kept, or nobody knows which one this is."""
        if self.journal is None or (of_root and _is_unsure(study)):
            return self.journal
        return None if study.identity is None else only(self.journal, study.identity)

    def trend_of(self, study: FilesystemStudy, now: datetime, thresholds: Thresholds) -> TrendView:
        """How a filesystem grows by the runs that saw it, worked out once."""
        if self.month is None or study.identity is None:
            return blank(self.trend.reason if self.month is None else _NOT_KNOWN).trend
        if study.identity not in self.views:
            seen = only(self.month, study.identity)
            self.views[study.identity] = view(seen, now=now, thresholds=thresholds)
        return self.views[study.identity]


def _is_unsure(study: FilesystemStudy) -> bool:
    """Could the Docker root's filesystem not say this time which one it is? The runs are then taken for its own."""
    return study.identity is None or isinstance(study.filesystem_facts, Unavailable)


_NOT_KNOWN = "which filesystem it is could not be read"


def blank(reason: str) -> Memory:
    """No memory, with the reason."""
    return Memory(TrendView(0, None, (), (), (), (), reason, 0), None)


def recall(folder: Folder | None, now: datetime, thresholds: Thresholds) -> Memory:
    """What the journal says up to `now`."""
    if folder is None:
        return blank("no journal is kept (--no-journal)")
    try:
        trend, near, month = look_back(folder, now=now, thresholds=thresholds)
    except Exception as error:  # noqa: BLE001 - a defect in looking back must not cost the look at what is
        return blank(f"{Why.DEFECT}: {error!r}")
    return Memory(trend, near, month)


def journal_line(memory: Memory) -> SourceReport:
    """What looking back did, for the coverage. Skipped lines are told in the trend."""
    if memory.journal is None:
        return SourceReport("journal", Outcome.UNREAD, memory.trend.reason, 0.0)
    return SourceReport("journal", Outcome.READ, "", 0.0)


def last_used(memory: Memory, snapshot: Snapshot) -> Mapping[Owner, datetime]:
    """When the journal last saw each image held by a container: what "least recently used" goes by."""
    images = snapshot.engine.images
    if memory.journal is None or isinstance(images, Unavailable):
        return {}
    seen = {known: record.at for record in memory.journal.records for known in record.in_use or ()}
    return {
        Owner(OwnerKind.IMAGE, image.id): seen[short_id(image.id)]
        for image in images.value
        if short_id(image.id) in seen
    }


def with_churn(memory: Memory, snapshot: Snapshot, account: Account | None, builds: Builds) -> TrendView:
    """The trend with the repositories that are rebuilt again and again; what they left is counted as a set."""
    images = snapshot.engine.images
    if memory.journal is None or isinstance(images, Unavailable):
        return memory.trend
    layers = {image.id: image.diff_ids.value for image in images.value if isinstance(image.diff_ids, Exact)}
    steps = {
        image: build_steps(history, len(layers[image]))
        for image, history in builds.histories.items()
        if image in layers
    }
    found = churn(
        memory.journal,
        images.value,
        now=snapshot.ended_at,
        events=builds.events,
        freed=_left_behind(account, snapshot),
        histories=steps,
    )
    return replace(memory.trend, churn=found)


def _left_behind(account: Account | None, snapshot: Snapshot) -> Callable[[frozenset[ImageId]], Size] | None:
    """What images hold alone, or only together with unused build cache or with subvolumes that are going already.

    With BuildKit each layer of an image is in the cache as well: removing one of the two frees nothing.
    """
    if account is None or not account.books.releases:
        return None
    books, origin = account.books, Origin("accounting", "churn", snapshot.ended_at, 0.0)
    leaving = {owner for one in books.releases for owner in one.owners if owner.kind is OwnerKind.DELETED}
    beside = removable(snapshot).get(OwnerKind.BUILD, frozenset()) | leaving

    def left(images: frozenset[ImageId]) -> Size:
        count = freed_beside(books, (Owner(OwnerKind.IMAGE, image) for image in images), beside)
        return Exact(count, origin) if isinstance(books.unread, Exact) else AtLeast(count, (books.unread,), origin)

    return left


def settle(
    findings: tuple[Finding, ...],
    journal: Journal | None,
    used_percent: int | None,
    now: datetime,
    thresholds: Thresholds,
    mount: str = "",
) -> tuple[Finding, ...]:
    """Alarms as several runs agree on them: P0 at once, others with the second run, cleared with a margin.

    Without a run in the last hours there is nobody to agree with: then what is seen now stands. The journal and the
    findings are of one filesystem; `mount` names it where it is not the Docker root's.
    """
    if journal is None:
        return findings
    earlier = tuple(r for r in journal.records if now - _FRESH <= r.at <= now)[-_RUNS:]
    if not earlier:
        return findings
    recent, fills = replace(journal, records=earlier), [*(record.used_percent for record in earlier), used_percent]
    settled = [_settled(finding, recent, fills, thresholds) for finding in findings]
    if not any(finding.rule == disk_full.ID for finding in findings):
        settled += _still_full(fills, thresholds, mount)
    return tuple(sorted(settled, key=lambda finding: -int(finding.severity)))


def _settled(finding: Finding, recent: Journal, fills: list[int | None], thresholds: Thresholds) -> Finding:
    """The finding as it stands after the recent runs, whose used % `fills` has, this run's last."""
    if finding.severity < Severity.P2:
        return finding
    if finding.rule == disk_full.ID:
        stands = fill_severity(fills, thresholds)
        return _as(_lingering(finding, stands, thresholds), stands)
    return _as(finding, rule_severity([*raws(recent, finding.rule), finding.severity], thresholds))


def _lingering(finding: Finding, stands: Severity, thresholds: Thresholds) -> Finding:
    """A fill that was worse a moment ago keeps its severity for a while; the claim says so."""
    if stands <= finding.severity:
        return finding
    below = f"{thresholds.clear_points:g} points below that for {thresholds.clear_runs} runs"
    held = f"it was worse, and has not been {below} yet"
    return replace(finding, claim=f"{finding.claim}; {held}")


def _as(finding: Finding, stands: Severity) -> Finding:
    if stands >= finding.severity:
        return replace(finding, severity=stands)
    shown = max(stands, Severity.P3)
    waits = ("waits", f"{finding.severity.name} once the next run confirms it")
    return replace(finding, severity=shown, evidence=(*finding.evidence, waits))


def _still_full(percents: list[int | None], thresholds: Thresholds, mount: str) -> list[Finding]:
    """A fill that fell below its threshold by less than the margin, or only once, is not over yet."""
    stands = fill_severity(percents, thresholds)
    if stands < Severity.P2:
        return []
    below = f"{thresholds.clear_points:g} points below it for {thresholds.clear_runs} runs"
    claim = f"the disk was above a threshold and is not yet {below}"
    return [Finding(disk_full.ID, stands, placed(claim, mount), None, (), "keep watching", (), True, mount=mount)]
