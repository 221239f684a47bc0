"""`--preflight`: one study of each host, one report each, and where and in which form it goes.

Where reports go and in which form: stdout or a file that is whole or not there, text, JSON or metrics.

`--preflight`: one look at each host, one report each, the severity as exit status.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.cli.config import Config
from collectors.cli.signals import UNKNOWN, complain, discard_stdout
from collectors.engine.endpoint import endpoint
from collectors.inventory import Request
from collectors.ledger.bills import ALWAYS
from collectors.model.settings import Settings
from collectors.pipeline import FinishedRun, Options, remember, survey
from collectors.report import document, formatting, text
from collectors.system import folders
from collectors.system.folders import is_special, replace_whole
from collectors.system.host import Host, this_host

if TYPE_CHECKING:
    from collectors.probe import Wish

Looked = Sequence[tuple[str | None, FinishedRun]]


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
        name = f"{formatting.quoted(str(error.filename), None)}: " if error.filename else ""
        complain(f"the report could not be written: {name}{error.strerror}")
    else:
        return False
    return True


def write(arguments: argparse.Namespace, looked: Looked) -> None:
    """All reports, in the order in which the hosts were named."""
    rendered = _render(arguments, looked)
    if arguments.output:
        put(Path(arguments.output), rendered.encode("utf-8", "backslashreplace"))
    else:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    if arguments.record:
        from collectors.report import recording

        with Path(arguments.record).open("a", encoding="ascii") as file:
            for _, outcome in looked:
                report = recording.redacted(outcome.report) if arguments.redact else outcome.report
                file.write(recording.dump(report) + "\n")


def put(place: Path, content: bytes) -> None:
    """A file is replaced, whole or not at all; a device or a pipe, /dev/null say, is written to. Raises OSError."""
    if is_special(place):
        with place.open("wb") as out:
            out.write(content)
    else:
        replace_whole(place, content)


def _render(arguments: argparse.Namespace, looked: Looked) -> str:
    if arguments.format == "json":
        documents = [document.encode(outcome.report) for _, outcome in looked]
        if len(documents) == 1:
            return json.dumps(documents[0], indent=2) + "\n"
        # One document a line, as many tools read them.
        return "".join(json.dumps(one) + "\n" for one in documents)
    if arguments.format == "openmetrics":
        from collectors.report.metrics import openmetrics

        return openmetrics(looked[0][1].report, arguments.by or ())
    pages = [_page(host, outcome, arguments, len(looked) > 1) for host, outcome in looked]
    return "\n".join(pages)


def _page(host: str | None, outcome: FinishedRun, arguments: argparse.Namespace, several: bool) -> str:
    page = text.render(outcome.report, si=arguments.si, by=arguments.by or ())
    return f"# Host: {formatting.quoted(host or outcome.report.host)}\n\n{page}" if several else page


def options(arguments: argparse.Namespace, config: Config, *, host: str | None = None) -> Options:
    """What the flags, the environment and the configuration together ask for; `host` picks one of several."""
    machine = _machine(arguments)
    journal = None if arguments.no_journal else folders.journal_folder(arguments.journal)
    vault = None if arguments.no_journal else folders.vault_folder(arguments.vault)
    chosen = host if host is not None else (arguments.host or [None])[0]
    request = Request(
        endpoint(chosen, os.environ, Path.home(), root=machine.root),
        machine,
        arguments.deadline,
        config.settings.thresholds.grace_s,
    )
    wish = None if arguments.probe_container is None else _wish(arguments.probe_container)
    by = (*ALWAYS, *(arguments.by or ()))
    return Options(request, _settings(arguments, config), journal, vault, arguments.until, wish, by)


def _wish(image: str) -> Wish:
    from collectors.probe import Wish  # here, because a container is hardly ever asked for

    return Wish(image)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the reports. The worst status counts: critical, then not known, then warning."""
    hosts: Sequence[str | None] = arguments.host or [None]
    chosen = [options(arguments, config, host=host) for host in hosts]
    if len(chosen) > 1:
        # One journal and one vault tell of one machine: over several, nothing is remembered.
        chosen = [forgetful(one) for one in chosen]
    with ThreadPoolExecutor(len(chosen), thread_name_prefix="host") as pool:
        outcomes = list(pool.map(survey, chosen))
    undelivered = deliver(arguments, list(zip(hosts, outcomes, strict=True)))
    for one, outcome in zip(chosen, outcomes, strict=True):
        for note in remember(outcome, one):
            complain(note)
    statuses = [outcome.report.exit_status for outcome in outcomes]
    return worst([*statuses, UNKNOWN] if undelivered else statuses)


def _settings(arguments: argparse.Namespace, config: Config) -> Settings:
    """Those of the configuration; a minimum age on the command line stands for all that are in it."""
    if arguments.min_age is None:
        return replace(config.settings, si=arguments.si)
    keep = replace(config.settings.keep, min_age_s=arguments.min_age)
    return replace(config.settings, keep=keep, si=arguments.si)


def worst(statuses: Sequence[int]) -> int:
    """2 beats 3 beats 1 beats 0: a known critical is news even where another host could not be asked."""
    return max(statuses, key=(0, 1, 3, 2).index)


def _machine(arguments: argparse.Namespace) -> Host:
    root = Path(arguments.docker_root) if arguments.docker_root else None
    if arguments.no_state:
        return this_host(docker_root=root)
    return this_host(docker_root=root, state=Path(arguments.state) if arguments.state else folders.state_folder())
