"""`--preflight`: one look, one report on stdout, the severity as exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from collectors.assemble import Request
from collectors.cli.config import Config
from collectors.history import folder
from collectors.report import document, recording, text
from collectors.sources.engine.endpoint import endpoint
from collectors.sources.host import Host, state_folder, this_host
from collectors.survey import Options, remember, survey


def options(arguments: argparse.Namespace, config: Config) -> Options:
    """What the flags, the environment and the configuration together ask for."""
    host = _host(arguments)
    journal = None if arguments.no_journal else folder.journal(arguments.journal, os.environ)
    request = Request(
        endpoint(arguments.host, os.environ, Path.home(), root=host.root),
        host,
        arguments.deadline,
        config.limits.grace_s,
    )
    vault = None if arguments.no_journal else folder.vault(arguments.vault, os.environ)
    return Options(request, config.limits, config.rules, journal, vault, arguments.until)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the report; the exit status is the report's."""
    chosen = options(arguments, config)
    outcome = survey(chosen)
    report = outcome.report
    if arguments.format == "json":
        sys.stdout.write(json.dumps(document.encode(report), indent=2) + "\n")
    else:
        sys.stdout.write(text.render(report, si=arguments.si))
    sys.stdout.flush()
    if arguments.record:
        with Path(arguments.record).open("a", encoding="ascii") as file:
            file.write(recording.dump(report) + "\n")
    for note in remember(outcome, chosen):
        print(f"ullage: {note}", file=sys.stderr)
    return report.exit_status


def _host(arguments: argparse.Namespace) -> Host:
    root = Path(arguments.docker_root) if arguments.docker_root else None
    if arguments.no_state:
        return this_host(docker_root=root)
    return this_host(docker_root=root, state=Path(arguments.state) if arguments.state else state_folder())
