"""What can be asked: every flag, with examples, and the configuration: flag > environment > user's file > /etc.

Wrong usage exits with 3, since 2 means critical to whoever calls this. Unknown keys in a file are refused, named.
"""

from __future__ import annotations

import argparse
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:  # this is loaded for --version too
    from pathlib import Path
    from typing import NoReturn

    from collectors.model.settings import Settings

PRINTABLE = ("schema", "supervisor", "systemd", "alerts", "man", "completion")
SHELLS = ("bash", "zsh", "fish")  # after "completion"

EPILOG = """\
examples:
  ullage                                        the dashboard, on a terminal
  ullage --preflight                            one report as text; the exit status tells how bad it is
  ullage --preflight --format json              the same as one JSON document
  ullage --preflight --docker-root /host/docker where the Docker root is bound in this container
  ullage --preflight --probe-container          with the socket alone: one short-lived container reads the Docker root
  ullage --preflight --host ssh://root@db-1     another machine's engine: only what the engine says
  ullage --history --since 30d                  every figure of the journal, with sparklines
  ullage --changes --since 24h                  what grew since yesterday, by name; the changes sum to that of used
  ullage --plan --until 70%                     what to do, in which order, and what each step frees
  ullage --plan --until 70% --min-age 0         the same where what is young may go too
  ullage --reclaim --until 75% --apply          the safe steps, until 75% are used
  ullage --reclaim --apply --when 80% --until 75%   the same, but only from 80% on
  ullage --demo                                 a real incident, replayed: no engine, no root, no network
  ullage --print schema                         the JSON Schema of that document

exit status: 0 well (OK, P4, P3) · 1 warning (P2) · 2 critical (P1, P0) · 3 not known, or wrong usage
of --reclaim --apply: 0 the target (without --until: all that was chosen) was reached, or less than --when is used
  1 done, and not reached · 2 refused, or another run is at it: nothing was changed · 3 not known, or wrong usage
"""

UNKNOWN = 3  # the exit status of wrong usage, and where nothing can be said


class Parser(argparse.ArgumentParser):
    """argparse, but a usage error is 3 and prints one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNKNOWN, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Printed(argparse.Action):
    """One thing to print, with a shell where it is of a shell: `completion bash`."""

    def __call__(
        self, parser: argparse.ArgumentParser, into: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        words = [str(value) for value in values] if isinstance(values, list) else []
        possible = [f"{words[0]} {shell}" for shell in SHELLS] if words[0] == "completion" else PRINTABLE
        if " ".join(words) not in possible:
            parser.error(f"--print prints one of: {', '.join(PRINTABLE)} {'|'.join(SHELLS)}")
        setattr(into, self.dest, " ".join(words))


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
    p.add_argument(
        "--print",
        dest="print_",
        metavar="WHAT",
        nargs="+",
        choices=(*PRINTABLE, *SHELLS),
        action=_Printed,
        help=f"print one of: {', '.join(PRINTABLE)} {'|'.join(SHELLS)}",
    )
    _modes(p)
    _dashboard(p)
    _where(p)
    _how(p)
    return p


def _modes(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("what to do (default: the dashboard)")
    group.add_argument("--preflight", action="store_true", help="one report on stdout, then exit")
    group.add_argument("--history", action="store_true", help="what the journal knows, with sparklines")
    group.add_argument("--changes", action="store_true", help="what grew, shrank, came and went since another moment")
    group.add_argument(
        "--since",
        metavar="WHEN",
        type=moment,
        help="of --history a span (default: 7d); of --changes a span (default: 24h), the time of a run as the journal"
        " writes it, last, or a recording",
    )
    group.add_argument("--to", metavar="WHEN", help="of --changes: the time of a run, last, or a recording (else now)")
    group.add_argument("--plan", action="store_true", help="the shortest safest plan, with the commands to type")
    group.add_argument("--until", metavar="PERCENT", type=percent, help="stop at this used %% (70 or 70%%)")
    group.add_argument(
        "--when", metavar="PERCENT", type=percent, help="of --reclaim --apply: nothing is done below this used %%"
    )
    group.add_argument(
        "--mount",
        metavar="DIR",
        help="of --plan and --reclaim: for the filesystem mounted there (else for the one that is short the most)",
    )
    group.add_argument("--reclaim", action="store_true", help="the same as a dry run of what --apply would do")
    group.add_argument("--apply", action="store_true", help="with --reclaim: do it, verify it, journal it")
    group.add_argument(
        "--tier", choices=("safe", "careful", "destructive"), default="safe", help="of --reclaim (default: safe)"
    )
    group.add_argument(
        "--min-age",
        metavar="SPAN",
        type=least_age,
        help="how old a thing has to be for a step to run unasked, in place of the ages in [keep]; 0 lifts them",
    )
    group.add_argument("--yes-i-mean", metavar="HOSTNAME", help="with --tier destructive, where nobody can type it")
    group.add_argument("--record", metavar="FILE", help="with --preflight: append the report to a recording")
    group.add_argument("--redact", action="store_true", help="record pseudonyms in place of names")


def _dashboard(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("the dashboard")
    group.add_argument("--replay", metavar="PATH", help="a recording, or a folder of journals; read-only")
    group.add_argument("--demo", action="store_true", help="replay a shipped recording of a real lab incident")
    group.add_argument("--at", metavar="WHEN", help="of --replay or --demo: open at this moment (2026-11-28T11:40Z)")
    group.add_argument("--serve", action="store_true", help="show --replay or --demo in a browser, on loopback only")
    group.add_argument("--port", metavar="N", type=int, default=8000, help="of --serve (default: 8000)")
    group.add_argument("--read-only", action="store_true", help="read-only: never offer to apply")
    group.add_argument("--bell", action="store_true", help="ring and notify (OSC 9) when a host becomes critical (P0)")
    group.add_argument(
        "--theme",
        choices=("dark", "light", "colour-blind", "ansi"),
        help="(default: the last one chosen with T, else what the terminal can do)",
    )


def _where(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("where to look")
    group.add_argument(
        "--host",
        metavar="URL",
        action="append",
        help="the engine: unix:///path, tcp://host:port, ssh://user@host (else DOCKER_HOST); several with"
        " --preflight, --plan, the dry run of --reclaim, and in the dashboard",
    )
    group.add_argument("--docker-root", metavar="DIR", help="where the Docker root is (else what the engine says)")
    group.add_argument(
        "--probe-container",
        metavar="IMAGE",
        nargs="?",
        const="",
        help="where the Docker root cannot be read: have the engine start one short-lived container that can,"
        " read-only, without network, from this container's own image or from IMAGE",
    )
    group.add_argument("--as-probe", help=argparse.SUPPRESS)  # what that container is started with
    group.add_argument("--state", metavar="DIR", help="where measured figures are kept (else /var/lib/ullage or XDG)")
    group.add_argument("--no-state", action="store_true", help="keep nothing between runs")
    group.add_argument("--journal", metavar="DIR", help="where the journal is (else $OPS_JOURNAL_ROOT …)")
    group.add_argument("--vault", metavar="DIR", help="where open tasks are kept (else $OPS_VAULT_ROOT …)")
    group.add_argument("--no-journal", action="store_true", help="neither read nor write the journal")


def _how(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("how")
    group.add_argument(
        "--format", choices=("text", "json", "openmetrics"), default="text", help="of the report (default: text)"
    )
    group.add_argument("--output", metavar="FILE", help="write the report there, whole or not at all, not to stdout")
    group.add_argument(
        "--by",
        metavar="GROUP",
        action="append",
        type=group_by,
        help="bills: project (compose), stack, service (swarm), repository, label=KEY; may be repeated",
    )
    group.add_argument("--si", action="store_true", help="sizes in powers of 1000, as docker prints them")
    group.add_argument(
        "--deadline", metavar="SECONDS", type=seconds, default=60.0, help="for the whole run (default: 60)"
    )
    group.add_argument("--config", metavar="FILE", help="TOML file (else $ULLAGE_CONFIG, user's, /etc/ullage.toml)")


def span(text: str) -> float:
    """`7d`, `12h`, `90m`: a positive span, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m|h|d|w)", text.strip())
    value = float(found[1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[found[2]] if found else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no span such as 7d or 12h")
    return value


def group_by(text: str) -> str:
    """`project`, `stack`, `service`, `repository`, `label=KEY`, as bills are called in the report."""
    kind, _, key = text.strip().partition("=")
    if kind == "label" and key:
        return f"label:{key}"
    if kind not in ("project", "stack", "service", "repository") or key:
        raise argparse.ArgumentTypeError(f"{text!r} is none of project, stack, service, repository and label=KEY")
    return kind


def moment(text: str) -> float | str:
    """A span in seconds, or the name of a run or file."""
    try:
        return span(text)
    except argparse.ArgumentTypeError:
        return text


def least_age(text: str) -> float:
    """`0`, `90m`, `24h`: a span or none at all, in seconds."""
    return 0.0 if text.strip() == "0" else span(text)


def percent(text: str) -> float:
    """`70`, `70%`: a share of the disk, above 0 and below 100."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%?", text.strip())
    value = float(found[1]) if found else 0.0
    if not 0 < value < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage between 0 and 100")
    return value


def seconds(text: str) -> float:
    """`90`, `1.5`, `90s`, `2m`: a positive number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    value = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2] or ""] if found else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value


class BadConfig(ValueError):
    """A file that cannot be used, with the reason."""


class Config:
    """`source` is the file it came from, "" for the defaults."""

    def __init__(self, source: str, settings: Settings) -> None:
        self.source, self.settings = source, settings


def load(flag: str | None) -> Config:
    """The first configuration that exists; a file that was named and is missing is an error."""
    from pathlib import Path

    from collectors.model.settings import DEFAULTS
    from collectors.system.folders import config_files

    named = flag or os.environ.get("ULLAGE_CONFIG")
    candidates = (Path(named),) if named else config_files()
    for path in candidates:
        try:
            return _read(path)
        except FileNotFoundError:
            if named:
                raise BadConfig(f"{path}: no such file") from None
        except OSError as error:
            # A home that may not be searched (ProtectHome=, another user's) is no reason to look at nothing.
            if named or os.path.lexists(path):
                raise BadConfig(f"{path}: {error.strerror}") from None
    return Config("", DEFAULTS)


def _read(path: Path) -> Config:
    text = path.read_bytes()
    import tomllib  # here, because most hosts have no configuration

    from collectors.model.settings import Settings, from_table, thresholds_of

    try:
        table = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number too long, nested too deep
        raise BadConfig(f"{path}: {error}") from None
    unknown = sorted(set(table) - {"thresholds", "keep"})
    if unknown:
        raise BadConfig(f"{path}: no such section: {', '.join(unknown)}")
    try:
        settings = Settings(thresholds_of(table.get("thresholds", {})), from_table(table.get("keep", {})))
    except ValueError as error:
        raise BadConfig(f"{path}: {error}") from None
    return Config(str(path), settings)
