"""`--changes`: what changed between two moments, each of them a run of the journal, a recording, or now."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.cli.config import Config
from collectors.cli.preflight import options
from collectors.cli.signals import UNKNOWN, complain
from collectors.forecast.changes import Moment, changes, earlier, of_record, of_report
from collectors.journal import Record
from collectors.journal.reading import read
from collectors.pipeline import survey
from collectors.report import formatting
from collectors.report.recording import reports
from collectors.report.trend_text import changes_document, changes_page
from collectors.system.folders import journal_folder

Named = tuple[Moment, str]  # and what it is, in words
_A_DAY = timedelta(days=1)


class NoSuchMoment(ValueError):
    """What was asked for names no moment whose books are known."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the changes; 0, or 3 where there is nothing to compare."""
    try:
        after = _after(arguments, config)
        before = _before(arguments, after[0])
        found = changes(before[0], after[0])
    except ValueError as error:
        complain(formatting.safe(str(error)))
        return UNKNOWN
    if arguments.format == "json":
        sys.stdout.write(json.dumps(changes_document(found, before[1], after[1]), indent=2) + "\n")
    else:
        sys.stdout.write(changes_page(found, before[1], after[1], si=arguments.si))
    return 0


def _after(arguments: argparse.Namespace, config: Config) -> Named:
    if arguments.to is not None:
        return _named(arguments, arguments.to, None)
    moment = of_report(survey(options(arguments, config)).report)
    if moment is None:
        raise NoSuchMoment("how much is used is not known now: there is nothing to compare")
    return moment, "now"


def _before(arguments: argparse.Namespace, after: Moment) -> Named:
    since = arguments.since
    if isinstance(since, str):
        return _named(arguments, since, after)
    return _ago(arguments, _A_DAY if since is None else timedelta(seconds=since), after)


def _ago(arguments: argparse.Namespace, ago: timedelta, after: Moment) -> Named:
    """The run of that long before `after`; the oldest one where the journal is younger."""
    wanted = after.at - ago
    found = earlier(_records(arguments, after.at), after.filesystem, wanted)
    if found is None or found.at >= after.at:
        raise NoSuchMoment("the journal holds no earlier run of this filesystem (--since FILE takes a recording)")
    age = formatting.age((after.at - found.at).total_seconds())
    young = ", the oldest run there is" if found.at > wanted else ""
    return found, f"a run of {age} before{young}"


def _named(arguments: argparse.Namespace, name: str, after: Moment | None) -> Named:
    """A recording's last report, or the run that a time names: its beginning, as the journal writes it."""
    if Path(name).is_file():
        return _recorded(Path(name))
    now = datetime.now(UTC)
    records = [one for one in _records(arguments, now) if after is None or one.at < after.at]
    begun = records[-1:] if name == "last" else _begun(records, name) or _not_later(records, name)
    found = of_record(begun[-1]) if begun else None
    if found is None:
        raise NoSuchMoment(f"{name!r} is no file, no span such as 24h, and no run of the journal")
    return found, f"run of the journal, {formatting.age((now - found.at).total_seconds())} ago"


def _begun(records: Sequence[Record], name: str) -> Sequence[Record]:
    """The runs whose time, as the journal writes it, begins so."""
    return [one for one in records if formatting.moment(one.at).startswith(name)]


def _not_later(records: Sequence[Record], name: str) -> Sequence[Record]:
    """The runs up to a time that no run has by itself."""
    try:
        at = datetime.fromisoformat(name)
    except ValueError:
        return ()
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return [one for one in records if one.at <= at]


def _recorded(path: Path) -> Named:
    last = reports(path)[-1]
    moment = of_report(last)
    if moment is None:
        raise NoSuchMoment(f"{path}: its last report does not know the used bytes")
    return moment, f"the last report of {path.name}"


def _records(arguments: argparse.Namespace, now: datetime) -> Sequence[Record]:
    if arguments.no_journal:
        return ()
    since = arguments.since if isinstance(arguments.since, float) else _A_DAY.total_seconds()
    far = max(timedelta(seconds=since) * 2, timedelta(days=8)) if not isinstance(arguments.since, str) else None
    return read(journal_folder(arguments.journal), since=None if far is None else now - far, now=now).records
