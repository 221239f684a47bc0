"""Arguments → the feed of the dashboard: this machine, a recording, or a folder of journals."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from collectors.history.reading import read
from collectors.model.report import Report
from collectors.report.recording import Unreadable, load
from tui.feed import Feed, LiveFeed, ReplayFeed
from tui.machine import ThisMachine
from tui.moments import of_journal
from tui.recall import report_of


class Unplayable(ValueError):
    """What was given is no recording and no folder of journals."""


def feed_of(arguments: argparse.Namespace) -> Feed:
    """Raises Unplayable, naming the path."""
    if arguments.replay is None:
        return LiveFeed(ThisMachine(arguments))
    path = Path(arguments.replay)
    return of_folder(path) if path.is_dir() else of_recording(path)


def of_recording(path: Path) -> ReplayFeed:
    """A file of one report a line. Lines that are no report of this version are skipped; none left is an error."""
    reports: list[Report] = []
    reason = "it is empty"
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    reports.append(load(line))
                except Unreadable as error:
                    reason = str(error)
    except OSError as error:
        raise Unplayable(f"{path}: {error.strerror}") from None
    if not reports:
        raise Unplayable(f"{path}: {reason}")
    return ReplayFeed.of_reports(reports, origin=path.name)


def of_folder(path: Path) -> ReplayFeed:
    """A folder of daily journals; their records keep totals, categories and findings."""
    moments = of_journal(read(path, now=datetime.now(UTC)))
    if not moments:
        raise Unplayable(f"{path}: no runs in its journals")
    return ReplayFeed(moments, partial(report_of, moments, host=path.name), origin=path.name)
