"""Every flag, with examples. Wrong usage exits with 3: 2 means critical to whoever calls this."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from collectors.cli.signals import UNKNOWN

EPILOG = """\
examples:
  ullage                                        the dashboard, on a terminal
  ullage --preflight                            one report as text; the exit status tells how bad it is
  ullage --preflight --format json              the same as one JSON document
  ullage --preflight --docker-root /host/docker where the Docker root is bound in this container
  ullage --preflight --host ssh://root@db-1     another machine's engine: its own words only, no local claims
  ullage --print schema                         the JSON Schema of that document

exit status: 0 well (OK, P4, P3) · 1 warning (P2) · 2 critical (P1, P0) · 3 not known, or wrong usage
"""


class Parser(argparse.ArgumentParser):
    """argparse, but a usage error is 3 and prints one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNKNOWN, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser(prog: str) -> Parser:
    """The whole command line."""
    p = Parser(
        prog=prog,
        description="Says what fills a Docker host's disk, down to the byte, and what can safely be taken back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("--version", action="store_true", help="print the version")
    p.add_argument("--print", dest="print_", metavar="WHAT", choices=("schema",), help="print one of: schema")
    _modes(p)
    _where(p)
    _how(p)
    return p


def _modes(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("what to do (default: the dashboard)")
    group.add_argument("--preflight", action="store_true", help="one report on stdout, then exit")


def _where(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("where to look")
    group.add_argument(
        "--host", metavar="URL", help="the engine: unix:///path, tcp://host:port, ssh://user@host (else DOCKER_HOST …)"
    )
    group.add_argument("--docker-root", metavar="DIR", help="where the Docker root is (else what the engine says)")
    group.add_argument("--state", metavar="DIR", help="where measured figures are kept (else /var/lib/ullage or XDG)")
    group.add_argument("--no-state", action="store_true", help="keep no figures between runs")
    group.add_argument("--journal", metavar="DIR", help="where the journal is (else $OPS_JOURNAL_ROOT …)")
    group.add_argument("--vault", metavar="DIR", help="where open tasks are kept (else $OPS_VAULT_ROOT …)")
    group.add_argument("--no-journal", action="store_true", help="neither read nor write the journal")


def _how(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("how")
    group.add_argument("--format", choices=("text", "json"), default="text", help="of the report (default: text)")
    group.add_argument("--si", action="store_true", help="sizes in powers of 1000, as docker prints them")
    group.add_argument(
        "--deadline", metavar="SECONDS", type=seconds, default=60.0, help="for the whole look (default: 60)"
    )
    group.add_argument("--config", metavar="FILE", help="TOML file (else $ULLAGE_CONFIG, user's, /etc/ullage.toml)")


def seconds(text: str) -> float:
    """`90`, `1.5`, `90s`, `2m`: a positive number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    value = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2] or ""] if found else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value
