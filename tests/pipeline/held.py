"""A machine whose disk is held at a share, run by run through the whole program: only what it answers is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collectors import pipeline as surveys
from collectors.engine.endpoint import Endpoint
from collectors.inventory import Request
from collectors.model.reading import Exact
from collectors.model.settings import DEFAULTS, Settings
from collectors.model.snapshot import Snapshot
from collectors.pipeline import FinishedRun, Options, remember, survey
from collectors.system import mount_table
from collectors.system.deadline import this_host
from collectors.system.folders import Folder
from tests.journal.build import a_folder
from tests.planning.build import HERE, Scene

BLOCKS = 10_000_000
BLOCK_BYTES = 4096
EVERY = timedelta(minutes=20)


def a_snapshot(share: float, at: datetime) -> Snapshot:
    """An engine with nothing on it, and a disk of which `share` percent are used, as statvfs answers."""
    free = BLOCKS - round(BLOCKS * share / 100)
    space = mount_table.decode(("statvfs", 1, BLOCK_BYTES, BLOCKS, free, free, 0, 0, 0, 0))
    snapshot = Scene().snapshot()
    (study,) = snapshot.studies
    study = replace(study, filesystem=replace(study.filesystem, space=Exact(space, HERE)))
    return replace(snapshot, began_at=at, ended_at=at, studies=(study,))


def held(
    monkeypatch: pytest.MonkeyPatch,
    shares: list[float],
    journal: Path | None,
    settings: Settings = DEFAULTS,
    vault: Path | None = None,
) -> list[FinishedRun]:
    """One run every 20 minutes, the last one now; each is remembered where there is a journal."""
    looks = [partial(a_snapshot, share) for share in shares]
    return looked(monkeypatch, looks, journal, settings, vault)


def looked(
    monkeypatch: pytest.MonkeyPatch,
    looks: Sequence[Callable[[datetime], Snapshot]],
    journal: Path | None,
    settings: Settings = DEFAULTS,
    vault: Path | None = None,
) -> list[FinishedRun]:
    """The same, of whatever machine was seen at each moment."""
    folder: Folder | None = None
    if journal is not None:
        journal.mkdir(exist_ok=True)
        folder = a_folder(journal)
    request = Request(Endpoint("", "none", False, None, "no engine"), this_host(), 5.0, 3600.0)
    options = Options(request, settings, folder, vault, None)
    # This machine has not been up through the made-up hours: its uptime would move them together.
    monkeypatch.setattr(surveys, "boot", lambda _: (None, None))
    now = datetime.now(UTC)
    outcomes: list[FinishedRun] = []
    for number, look in enumerate(looks):
        snapshot = look(now - EVERY * (len(looks) - 1 - number))
        monkeypatch.setattr(surveys, "_look", lambda *_, snapshot=snapshot: snapshot)
        outcome = survey(options)
        assert remember(outcome, options) == ()
        outcomes.append(outcome)
    return outcomes
