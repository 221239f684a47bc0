"""Arguments → the feed of the dashboard: this machine, a recording, or a folder of journals."""

from __future__ import annotations

import argparse
import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from collectors.history.reading import read
from collectors.model.report import Report
from collectors.report.recording import Unreadable, load
from tui.feed import Feed, LiveFeed, ReplayFeed
from tui.machine import ThisMachine

# A real incident on a real engine, recorded by tests/lab/demo.py.
DEMO = Path(__file__).with_name("demo.jsonl.gz")


class Unplayable(ValueError):
    """What was given is no recording and no folder of journals."""


def feed_of(arguments: argparse.Namespace) -> Feed:
    """Raises Unplayable, naming the path."""
    if arguments.demo:
        return of_recording(DEMO)
    if arguments.replay is None:
        return LiveFeed(ThisMachine(arguments))
    path = Path(arguments.replay)
    return of_folder(path) if path.is_dir() else of_recording(path)


def of_recording(path: Path) -> ReplayFeed:
    """A file of one report a line. Lines that are no report of this version are skipped; none left is an error."""
    reports: list[Report] = []
    reason = "it is empty"
    try:
        with _lines(path) as lines:
            for line in lines:
                try:
                    reports.append(load(line))
                except Unreadable as error:
                    reason = str(error)
    except (OSError, EOFError) as error:
        raise Unplayable(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not reports:
        raise Unplayable(f"{path}: {reason}")
    return ReplayFeed.of_reports(reports, origin=path.name)


def _lines(path: Path) -> TextIO:
    """The file's text, unpacked where its name says that it is packed."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def of_folder(path: Path) -> ReplayFeed:
    """A folder of daily journals; their records keep totals, categories and findings."""
    journal = read(path, now=datetime.now(UTC))
    if not journal.records:
        raise Unplayable(f"{path}: no runs in its journals")
    return ReplayFeed.of_journal(journal, host=path.name)
