"""`--history`: what the journal knows, over a window."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta

from collectors.cli.config import Config
from collectors.history.reading import read, sample
from collectors.history.series import USED_PERCENT, keys, series
from collectors.history.view import view
from collectors.report.document import trend_fields
from collectors.report.history_text import history_document, history_page
from collectors.system.folders import journal_folder

# Up to here every run is read; over longer windows samples do.
_CLOSELY = timedelta(days=8)
_SAMPLES = 800


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the history; 0, or 3 where there is none."""
    now = datetime.now(UTC)
    since = now - timedelta(seconds=arguments.since)
    place = journal_folder(arguments.journal)
    if now - since <= _CLOSELY:
        journal = read(place, since=since, now=now)
    else:
        journal = sample(place, since=since, count=_SAMPLES, now=now)
    trend = view(journal, now=now, thresholds=config.settings.thresholds)
    shown = dict.fromkeys([USED_PERCENT, *keys(journal)])
    found = {key: points for key in shown if (points := series(journal, key))}
    if arguments.format == "json":
        sys.stdout.write(json.dumps(history_document(found, trend_fields(trend), since, now), indent=2) + "\n")
    else:
        sys.stdout.write(history_page(found, trend, since, now, si=arguments.si))
    return 0 if found else 3
