"""`--preflight`: one look at each host, one report each, the severity as exit status."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collectors.cli import output
from collectors.cli.config import Config
from collectors.cli.signals import UNKNOWN, complain
from collectors.engine.endpoint import endpoint
from collectors.inventory import Request
from collectors.probe import Wish
from collectors.survey import Options, remember, survey
from collectors.system import folders
from collectors.system.host import Host, this_host


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
    wish = None if arguments.probe_container is None else Wish(arguments.probe_container)
    return Options(request, config.settings, journal, vault, arguments.until, wish)


def seldom_collect() -> None:
    """Let the garbage collector look through everything less often: one look is made, and then the process ends.

    A host with a hundred thousand things has millions of objects, nearly none of them in circles; looking through them
    again and again took a quarter of the time.
    """
    gc.set_threshold(100_000, 20, 50)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the reports. The worst status counts: critical, then not known, then warning."""
    seldom_collect()
    hosts: Sequence[str | None] = arguments.host or [None]
    chosen = [options(arguments, config, host=host) for host in hosts]
    if len(chosen) > 1:
        # One journal and one vault tell of one machine: over several, nothing is remembered.
        chosen = [output.forgetful(one) for one in chosen]
    with ThreadPoolExecutor(len(chosen), thread_name_prefix="host") as pool:
        outcomes = list(pool.map(survey, chosen))
    undelivered = output.deliver(arguments, list(zip(hosts, outcomes, strict=True)))
    for one, outcome in zip(chosen, outcomes, strict=True):
        for note in remember(outcome, one):
            complain(note)
    statuses = [outcome.report.exit_status for outcome in outcomes]
    return worst([*statuses, UNKNOWN] if undelivered else statuses)


def worst(statuses: Sequence[int]) -> int:
    """2 beats 3 beats 1 beats 0: a known critical is news even where another host could not be asked."""
    return max(statuses, key=(0, 1, 3, 2).index)


def _machine(arguments: argparse.Namespace) -> Host:
    root = Path(arguments.docker_root) if arguments.docker_root else None
    if arguments.no_state:
        return this_host(docker_root=root)
    return this_host(docker_root=root, state=Path(arguments.state) if arguments.state else folders.state_folder())
