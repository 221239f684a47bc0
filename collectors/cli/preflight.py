"""`--preflight` and `--changes`: one look at each host, or two moments compared; where it goes and in which form.

A moment is a run of the journal, a recording, or now. Reports go to stdout or to a file that is whole or not there, as
text, JSON or metrics; the severity is the exit status.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.cli.command_line import UNKNOWN, Config
from collectors.cli.signals import complain, discard_stdout
from collectors.engine.endpoint import endpoint
from collectors.inventory import Request
from collectors.model.settings import Settings
from collectors.pipeline import FinishedRun, Options, begin, load, remember, survey
from collectors.system import folders
from collectors.system.deadline import Host, this_host
from collectors.system.folders import journal_folder

# What writes, and what compares, is loaded when it is needed: a look begins before that.
if TYPE_CHECKING:
    from collectors.forecast.changes import Moment
    from collectors.journal import Record
    from collectors.probe import Wish

    Named = tuple[Moment, str]  # and what it is, in words

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
        from collectors.report import formatting

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
        folders.put(Path(arguments.output), rendered.encode("utf-8", "backslashreplace"))
    else:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    if arguments.record:
        from collectors.report import recording

        with Path(arguments.record).open("a", encoding="ascii") as file:
            for _, outcome in looked:
                report = recording.redacted(outcome.report) if arguments.redact else outcome.report
                file.write(recording.dump(report) + "\n")


def _render(arguments: argparse.Namespace, looked: Looked) -> str:
    if arguments.format == "json":
        from collectors.report import document

        documents = [document.encode(outcome.report, host) for host, outcome in looked]
        if len(documents) == 1:
            return json.dumps(documents[0], indent=2) + "\n"
        # One document a line, as many tools read them.
        return "".join(json.dumps(one) + "\n" for one in documents)
    if arguments.format == "openmetrics":
        from collectors.report.metrics import openmetrics

        return openmetrics([(host, outcome.report) for host, outcome in looked], arguments.by or ())
    from collectors.report import text

    rendered = (text.render(outcome.report, si=arguments.si, by=arguments.by or ()) for _, outcome in looked)
    return pages(looked, rendered)


def pages(looked: Looked, rendered: Iterable[str]) -> str:
    """A page for each host; where there are several, each under its name."""
    if len(looked) == 1:
        return "".join(rendered)
    from collectors.report import formatting

    named = zip(looked, rendered, strict=True)
    return "\n".join(f"# Host: {formatting.quoted(host or '')}\n\n{page}" for (host, _), page in named)


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
    by = tuple(arguments.by or ())
    return Options(request, _settings(arguments, config), journal, vault, arguments.until, wish, by)


def _wish(image: str) -> Wish:
    from collectors.probe import Wish  # here, because a container is hardly ever asked for

    return Wish(image)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the reports. The worst status counts: critical, then not known, then warning."""
    chosen, looked = survey_hosts(arguments, config)
    undelivered = deliver(arguments, looked)
    for one, (_, outcome) in zip(chosen, looked, strict=True):
        for note in remember(outcome, one):
            complain(note)
    statuses = [outcome.report.exit_status for _, outcome in looked]
    return worst([*statuses, UNKNOWN] if undelivered else statuses)


def survey_hosts(arguments: argparse.Namespace, config: Config) -> tuple[list[Options], Looked]:
    """Each host once, side by side: how it was asked, and what was found."""
    hosts: Sequence[str | None] = list(dict.fromkeys(arguments.host or [None]))
    chosen = [options(arguments, config, host=host) for host in hosts]
    if len(chosen) > 1:
        # One journal and one vault tell of one machine: over several, nothing is remembered.
        chosen = [forgetful(one) for one in chosen]
    begun = [begin(one) for one in chosen]
    from collectors.report import text  # noqa: F401 - what writes is loaded while the machines answer

    return chosen, list(zip(hosts, _each_finished(begun), strict=True))


def _each_finished(begun: Sequence[Callable[[], FinishedRun]]) -> list[FinishedRun]:
    """All that were begun, side by side: each has questions left."""
    if len(begun) == 1:
        return [begun[0]()]
    from concurrent.futures import ThreadPoolExecutor

    load()
    with ThreadPoolExecutor(len(begun), thread_name_prefix="host") as pool:
        return list(pool.map(lambda finish: finish(), begun))


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


_A_DAY = timedelta(days=1)


class NoSuchMoment(ValueError):
    """What was asked for names no moment whose books are known."""


def compare(arguments: argparse.Namespace, config: Config) -> int:
    """Print the changes; 0, or 3 where there is nothing to compare."""
    from collectors.forecast.changes import changes
    from collectors.report import formatting
    from collectors.report.trend_text import changes_document, changes_page

    try:
        after = _after(arguments, config)
        before = _before(arguments, after[0])
        found = changes(before[0], after[0])
    except ValueError as error:
        complain(formatting.safe(str(error)))
        return UNKNOWN
    if arguments.format == "json":
        sys.stdout.write(json.dumps(changes_document(found, before[1], after[1]), indent=2) + "\n")
    else:
        sys.stdout.write(changes_page(found, before[1], after[1], si=arguments.si))
    return 0


def _after(arguments: argparse.Namespace, config: Config) -> Named:
    if arguments.to is not None:
        return _named(arguments, arguments.to, None)
    from collectors.forecast.changes import of_report

    moment = of_report(survey(options(arguments, config)).report)
    if moment is None:
        raise NoSuchMoment("how much is used is not known now: there is nothing to compare")
    return moment, "now"


def _before(arguments: argparse.Namespace, after: Moment) -> Named:
    since = arguments.since
    if isinstance(since, str):
        return _named(arguments, since, after)
    return _ago(arguments, _A_DAY if since is None else timedelta(seconds=since), after)


def _ago(arguments: argparse.Namespace, ago: timedelta, after: Moment) -> Named:
    """The run of that long before `after`; the oldest one where the journal is younger."""
    from collectors.forecast.changes import earlier
    from collectors.report import formatting

    wanted = after.at - ago
    found = earlier(_records(arguments, after.at), after.filesystem, wanted)
    if found is None or found.at >= after.at:
        raise NoSuchMoment("the journal holds no earlier run of this filesystem (--since FILE takes a recording)")
    age = formatting.age((after.at - found.at).total_seconds())
    young = ", the oldest run there is" if found.at > wanted else ""
    return found, f"a run of {age} before{young}"


def _named(arguments: argparse.Namespace, name: str, after: Moment | None) -> Named:
    """A recording's last report, or the run that a time names: its beginning, as the journal writes it."""
    if Path(name).is_file():
        return _recorded(Path(name))
    from collectors.forecast.changes import of_record
    from collectors.report import formatting

    now = datetime.now(UTC)
    records = [one for one in _records(arguments, now) if after is None or one.at < after.at]
    begun = records[-1:] if name == "last" else _begun(records, name) or _not_later(records, name)
    found = of_record(begun[-1]) if begun else None
    if found is None:
        raise NoSuchMoment(f"{name!r} is no file, no span such as 24h, and no run of the journal")
    return found, f"run of the journal, {formatting.age((now - found.at).total_seconds())} ago"


def _begun(records: Sequence[Record], name: str) -> Sequence[Record]:
    """The runs whose time, as the journal writes it, begins so."""
    from collectors.report import formatting

    return [one for one in records if formatting.moment(one.at).startswith(name)]


def _not_later(records: Sequence[Record], name: str) -> Sequence[Record]:
    """The runs up to a time that no run has by itself."""
    try:
        at = datetime.fromisoformat(name)
    except ValueError:
        return ()
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return [one for one in records if one.at <= at]


def _recorded(path: Path) -> Named:
    from collectors.forecast.changes import of_report
    from collectors.report import recording

    last = recording.reports(path)[-1]
    moment = of_report(last)
    if moment is None:
        raise NoSuchMoment(f"{path}: its last report does not know the used bytes")
    return moment, f"the last report of {path.name}"


def _records(arguments: argparse.Namespace, now: datetime) -> Sequence[Record]:
    if arguments.no_journal:
        return ()
    from collectors.journal.reading import read

    since = arguments.since if isinstance(arguments.since, float) else _A_DAY.total_seconds()
    far = max(timedelta(seconds=since) * 2, timedelta(days=8)) if not isinstance(arguments.since, str) else None
    return read(journal_folder(arguments.journal), since=None if far is None else now - far, now=now).records
