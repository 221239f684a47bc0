"""The headless command line: argv → exit status. Imports only what is asked for, and no terminal toolkit, ever.

`--print` makes completion and manual from the parser itself, by libraries that only this needs: the extra `shell`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from collections.abc import Sequence

from collectors.cli.command_line import UNKNOWN, Parser, parser
from collectors.cli.signals import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from collectors.cli.command_line import Config

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
        return print_asked(arguments.print_, arguments, parser("ullage"))
    if arguments.as_probe is not None:
        from collectors.probe import answer

        return answer.run(arguments.as_probe)
    if wrong := _out_of_place(arguments):
        print(f"ullage: {wrong}", file=sys.stderr)
        return UNKNOWN
    if not (arguments.preflight or arguments.history or arguments.changes or arguments.plan or arguments.reclaim):
        return None
    seldom_collect()
    if not arguments.history:
        start_helper()
    return _configured(arguments)


def start_helper() -> None:
    """Begin the process that asks the machine while the rest is loaded. Where it cannot, the first question fails."""
    from collectors.system.killable import HELPER

    with contextlib.suppress(OSError):
        HELPER.start()


def _out_of_place(arguments: argparse.Namespace) -> str:
    """What a flag lacks that means nothing without it; "" where each has what it needs."""
    if arguments.apply and not arguments.reclaim:
        return "--apply is of --reclaim"
    if arguments.when is not None and not (arguments.reclaim and arguments.apply):
        return "--when is of --reclaim --apply"
    if arguments.mount is not None and not (arguments.plan or arguments.reclaim):
        return "--mount is of --plan and --reclaim"
    if len(set(arguments.host or ())) > 1 and (arguments.apply or arguments.changes):
        return f"{'--apply' if arguments.apply else '--changes'} takes one --host"
    return _not_in_this_form(arguments)


# Who writes what but text, in the order in which one is chosen where several are asked for.
_FORMS = {
    "history": ("text", "json"),
    "changes": ("text", "json"),
    "reclaim": ("text", "json"),
    "plan": ("text",),
    "preflight": ("text", "json", "openmetrics"),
}


def _not_in_this_form(arguments: argparse.Namespace) -> str:
    """That what is asked for is not written in the form that is asked for; "" where it is."""
    asked = next((name for name in _FORMS if getattr(arguments, name)), None)
    if asked is None or arguments.format in _FORMS[asked]:
        return ""
    *others, last = (f"--{name}" for name, forms in _FORMS.items() if arguments.format in forms)
    return f"--format {arguments.format} is of {', '.join(others)}{' and ' if others else ''}{last}"


def seldom_collect() -> None:
    """Let the garbage collector look through everything less often: one look is made, and then the process ends.

    Called before anything is imported: what modules hold stays. A host with a hundred thousand things has millions of
    objects, nearly none of them in circles; looking through them again and again took a quarter of the time.
    """
    gc.set_threshold(100_000, 20, 50)


def _configured(arguments: argparse.Namespace) -> int:
    chosen = _config(arguments)
    if chosen is None:
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
        from collectors.cli import preflight

        return preflight.compare(arguments, chosen)
    if arguments.reclaim or arguments.plan:
        from collectors.cli import reclaim

        return reclaim.run(arguments, chosen) if arguments.reclaim else reclaim.show_plan(arguments, chosen)
    from collectors.cli import preflight

    return preflight.run(arguments, chosen)


_NEEDS_EXTRA = "ullage: this needs the extra: pip install 'ullage[shell]'"


def print_asked(what: str, arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """The exit status. `what` is one of `arguments.PRINTABLE`, with the shell after `completion`."""
    kind, _, shell = what.partition(" ")
    try:
        text = _alerts(arguments) if kind == "alerts" else _document(kind, shell, parser)
    except ImportError:
        print(_NEEDS_EXTRA, file=sys.stderr)
        return UNKNOWN
    if text is None:
        return UNKNOWN
    print(text, end="" if text.endswith("\n") else "\n")
    return 0


def _document(kind: str, shell: str, parser: argparse.ArgumentParser) -> str:
    """Raises ImportError where its library is not installed."""
    if kind == "schema":
        import json

        from collectors.report.schema import schema

        return json.dumps(schema(), indent=2)
    if kind == "completion":
        return completion(shell, parser)
    if kind == "man":
        return manual(parser)
    from collectors.report.metrics import SNIPPETS

    return SNIPPETS[kind]


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script that a shell sources; files and folders are completed where an option names one."""
    import shtab

    kinds = {"FILE": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in parser._actions:
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]  # where shtab looks
    return shtab.complete(parser, shell)


def manual(parser: argparse.ArgumentParser) -> str:
    """The page for `man`, in roff."""
    from argparse_manpage.manpage import Manpage

    return str(Manpage(parser)).replace("Generated Python Manual", "User Commands", 1)


def _alerts(arguments: argparse.Namespace) -> str | None:
    from collectors.report.metrics import alerts

    chosen = _config(arguments)
    return None if chosen is None else alerts(chosen.settings.thresholds)


def _config(arguments: argparse.Namespace) -> Config | None:
    """What is configured; None, with the reason on stderr, where that cannot be used."""
    from collectors.cli.command_line import BadConfig, load

    try:
        return load(arguments.config)
    except BadConfig as error:
        print(f"ullage: {error}", file=sys.stderr)
        return None
