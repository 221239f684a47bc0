"""The command line: argv → exit status, headless. Imports only what is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from collectors.cli.arguments import Parser, parser
from collectors.cli.signals import UNKNOWN, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collectors.cli.config import Config

# Up to here every run is read; over longer windows samples do.
_CLOSELY_S = 8 * 86400.0
_SAMPLES = 800
_WEEK_S = 7 * 86400.0


def _history(arguments: argparse.Namespace, config: Config) -> int:
    """Print what the journal knows over a window; 0, or 3 where there is none."""
    import json
    from datetime import UTC, datetime, timedelta

    from collectors.forecast import USED_PERCENT, keys, series
    from collectors.forecast.view import view
    from collectors.journal.reading import read, sample
    from collectors.report.document import trend_fields
    from collectors.report.trend_text import history_document, history_page
    from collectors.system.folders import journal_folder

    now = datetime.now(UTC)
    if isinstance(arguments.since, str):
        print(f"ullage: {arguments.since!r} is no span such as 7d or 12h", file=sys.stderr)
        return UNKNOWN
    since = now - timedelta(seconds=_WEEK_S if arguments.since is None else arguments.since)
    place = journal_folder(arguments.journal)
    if (now - since).total_seconds() <= _CLOSELY_S:
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


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m collectors`: everything but the dashboard."""
    return guarded(lambda: _run(parser("python -m collectors"), argv))


def _run(p: Parser, argv: Sequence[str] | None) -> int:
    arguments = p.parse_args(argv)
    status = headless(arguments)
    if status is None:
        p.error("nothing to do: this is the headless half, give --preflight or --print")
    return status


def headless(arguments: argparse.Namespace) -> int | None:
    """Do what needs no dashboard; None where the arguments ask for one. Imports only what is asked for."""
    if arguments.version:
        from collectors import tool_version

        print(f"ullage {tool_version()}")
        return 0
    if arguments.print_:
        from collectors.cli import printing

        return printing.run(arguments.print_, arguments, parser("ullage"))
    if arguments.as_probe is not None:
        from collectors.probe import answer

        return answer.run(arguments.as_probe)
    if arguments.apply and not arguments.reclaim:
        print("ullage: --apply is of --reclaim", file=sys.stderr)
        return UNKNOWN
    if arguments.when is not None and not (arguments.reclaim and arguments.apply):
        print("ullage: --when is of --reclaim --apply", file=sys.stderr)
        return UNKNOWN
    if not (arguments.preflight or arguments.history or arguments.changes or arguments.plan or arguments.reclaim):
        return None
    from collectors.cli import config

    try:
        chosen = config.load(arguments.config)
    except config.BadConfig as error:
        print(f"ullage: {error}", file=sys.stderr)
        return UNKNOWN
    if arguments.probe_container is None:
        return _look(arguments, chosen)
    from collectors.probe import watched

    with watched():
        return _look(arguments, chosen)


def _look(arguments: argparse.Namespace, chosen: Config) -> int:
    if arguments.history:
        return _history(arguments, chosen)
    if arguments.changes:
        from collectors.cli import changes

        return changes.run(arguments, chosen)
    if arguments.reclaim or arguments.plan:
        from collectors.cli import reclaim

        return reclaim.run(arguments, chosen) if arguments.reclaim else reclaim.show_plan(arguments, chosen)
    from collectors.cli import preflight

    return preflight.run(arguments, chosen)
