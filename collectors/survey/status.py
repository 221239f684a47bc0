"""The exit status: 0 well, 1 warning, 2 critical, 3 not known. A known critical beats not knowing."""

from __future__ import annotations

from collectors.model.finding import Severity
from collectors.model.reading import Reading, Unavailable, Why
from collectors.model.snapshot import Outcome, Snapshot, SourceReport
from collectors.probe.look import SOURCE as PROBE

UNKNOWN = 3
# A source that broke, as against one that this user or place simply has no access to.
_BROKEN = frozenset({Why.TIMED_OUT, Why.MALFORMED, Why.INCONSISTENT, Why.FAILED, Why.DEFECT})


def exit_status(snapshot: Snapshot, severity: Severity) -> int:
    """DESIGN's table; a probe that failed never makes 0."""
    if severity >= Severity.P1:
        return 2
    if _undecided(snapshot):
        return UNKNOWN
    return 1 if severity is Severity.P2 else 0


def _undecided(snapshot: Snapshot) -> bool:
    """Could what was not read have changed the severity?"""
    if not snapshot.studies:
        return True
    study = snapshot.studies[0]
    if isinstance(study.filesystem.space, Unavailable) or isinstance(snapshot.engine.engine, Unavailable):
        return True
    view = snapshot.engine
    others: tuple[Reading[object], ...] = (
        snapshot.docker_root,
        snapshot.store,
        study.occupancy,
        view.images,
        view.containers,
        view.volumes,
        view.build_cache,
    )
    if any(isinstance(one, Unavailable) and one.why in _BROKEN for one in others):
        return True
    return any("defect" in row.reason or _broken_probe(row) for row in snapshot.reports)


def _broken_probe(row: SourceReport) -> bool:
    """A container that was to read the disk, and broke: what it was asked for is not known."""
    return row.source == PROBE and row.outcome is Outcome.UNREAD and row.reason.partition(":")[0] in _BROKEN
