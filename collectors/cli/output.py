"""Where reports go and in which form: stdout or a file that is whole or not there, text, JSON or metrics."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from collectors.cli.signals import complain, discard_stdout
from collectors.report import document, recording, text, words
from collectors.report.redaction import redacted
from collectors.survey import Options, Outcome
from collectors.system.whole_files import replace_whole

Looked = Sequence[tuple[str | None, Outcome]]


def forgetful(options: Options) -> Options:
    """The same run without a memory."""
    return replace(options, journal=None, vault=None)


def deliver(arguments: argparse.Namespace, looked: Looked) -> bool:
    """Write the reports; True where they did not all get there: said on stderr, unless the reader just went away.

    The run goes on: the journal is to have it all the same, and a critical stays one.
    """
    try:
        write(arguments, looked)
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        name = f"{words.quoted(str(error.filename), None)}: " if error.filename else ""
        complain(f"the report could not be written: {name}{error.strerror}")
    else:
        return False
    return True


def write(arguments: argparse.Namespace, looked: Looked) -> None:
    """All reports, in the order in which the hosts were named."""
    rendered = _render(arguments, looked)
    if arguments.output:
        replace_whole(Path(arguments.output), rendered.encode("utf-8", "backslashreplace"))
    else:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    if arguments.record:
        with Path(arguments.record).open("a", encoding="ascii") as file:
            for _, outcome in looked:
                report = redacted(outcome.report) if arguments.redact else outcome.report
                file.write(recording.dump(report) + "\n")


def _render(arguments: argparse.Namespace, looked: Looked) -> str:
    if arguments.format == "json":
        documents = [document.encode(outcome.report) for _, outcome in looked]
        if len(documents) == 1:
            return json.dumps(documents[0], indent=2) + "\n"
        # One document a line, as many tools read them.
        return "".join(json.dumps(one) + "\n" for one in documents)
    if arguments.format == "openmetrics":
        from collectors.report.metrics import openmetrics

        return openmetrics(looked[0][1].report)
    pages = [_page(host, outcome, arguments.si, len(looked) > 1) for host, outcome in looked]
    return "\n".join(pages)


def _page(host: str | None, outcome: Outcome, si: bool, several: bool) -> str:
    page = text.render(outcome.report, si=si)
    return f"# Host: {words.quoted(host or outcome.report.host)}\n\n{page}" if several else page
