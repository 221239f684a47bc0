"""What `--print` prints: the JSON Schema, what a supervisor, systemd and Prometheus are given, completion, the manual.

Completion and manual are made from the parser itself by libraries that only this needs: the extra `shell`.
"""

from __future__ import annotations

import argparse
import sys

from collectors.cli.signals import UNKNOWN

_NEEDS_EXTRA = "ullage: this needs the extra: pip install 'ullage[shell]'"


def run(what: str, arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
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
    from collectors.report.snippets import SNIPPETS

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
    from collectors.cli import config
    from collectors.report.snippets import alerts

    try:
        return alerts(config.load(arguments.config).settings.thresholds)
    except config.BadConfig as error:
        print(f"ullage: {error}", file=sys.stderr)
        return None
