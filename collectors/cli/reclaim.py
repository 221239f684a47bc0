"""`--plan`, `--reclaim`, `--reclaim --apply`: what would help, and the only way from here to doing it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from collectors import reclaim
from collectors.cli.command_line import UNKNOWN, Config
from collectors.cli.preflight import Looked, pages, survey_hosts, worst
from collectors.cli.signals import complain
from collectors.journal import Action
from collectors.model import dataclass
from collectors.model.plan import Harm, Plan, Risk, Step
from collectors.model.reading import Exact, Unavailable
from collectors.model.report import Report
from collectors.pipeline import FinishedRun, Options, remember, survey
from collectors.reclaim import ApplyStatus, Event, ReclaimOutcome
from collectors.reclaim.run import apply, earlier_run
from collectors.reclaim.tools import RunContext, for_snapshot
from collectors.report import formatting, plan_text
from collectors.report.plan_document import Told, reclaim_document
from collectors.report.plan_text import exact_or_none
from collectors.system.folders import state_folder


def show_plan(arguments: argparse.Namespace, config: Config) -> int:
    """Print the plan of each host; the exit status is that of the report it came from, the worst of several."""
    _, looked = survey_hosts(arguments, config)
    aimed = [aim(outcome.report, arguments.mount) for _, outcome in looked]
    sys.stdout.write(pages(looked, [_plan_page(one, arguments) for one in aimed]))
    return worst([UNKNOWN if one is None else one.exit_status for one in aimed])


def _plan_page(aimed: Report | None, arguments: argparse.Namespace) -> str:
    if aimed is None:
        return ""
    return plan_text.plan_page(aimed, arguments.until, alone=bool(arguments.mount), si=arguments.si)


def aim(report: Report, mount: str | None) -> Report | None:
    """The report with the plan of that filesystem in the lead; None, and said, where there is no such."""
    if mount is None:
        return report
    plan = report.plan_at(os.path.normpath(mount))
    if plan is not None:
        return report.aimed_at(plan)
    mounts = ", ".join(formatting.safe(one.filesystem.mount.mountpoint) for one in report.ledgers)
    complain(
        f"--mount: nothing of the engine's is known to lie on {formatting.safe(mount)}; there is {mounts or 'none'}"
    )
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `--reclaim` was asked, and what was found."""

    arguments: argparse.Namespace
    host: str | None  # as it was named
    chosen: Options
    looked: FinishedRun
    report: Report  # of before, with the plan that was asked for in the lead
    tier: Risk
    steps: tuple[Step, ...]

    def tell(self, status: int, page: str, done: ReclaimOutcome | None = None, why_not: str = "") -> int:
        """On stdout: the page, or the document. Gives back the status."""
        sys.stdout.write(self.document(status, done, why_not) if self.arguments.format == "json" else page)
        return status

    def document(self, status: int, done: ReclaimOutcome | None = None, why_not: str = "") -> str:
        """One line."""
        told = Told(self.report, self.tier, status, self.steps, done, why_not, self.host)
        return json.dumps(reclaim_document(told)) + "\n"

    def dry_run(self) -> str:
        """The page of what would be done."""
        return plan_text.dry_run(self.report, self.steps, self.tier, si=self.arguments.si)

    def refuse(self, status: ApplyStatus, why: str) -> int:
        """Nothing was begun."""
        print(f"ullage: {why}", file=sys.stderr)
        return self.tell(status, "", why_not=why)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """The dry run, or with --apply the steps themselves, then the journal and the vault.

    The dry run exits as the report does, --apply with what came of it.
    """
    chosen, looked = survey_hosts(arguments, config)
    every = [_asked(arguments, one, *found) for one, found in zip(chosen, looked, strict=True)]
    if not arguments.apply:
        return _dry_run(arguments, looked, every)
    asked = every[0]  # `--apply` takes one host
    if asked is None:
        return ApplyStatus.UNKNOWN
    if arguments.when is not None and not _full_enough(asked.report, arguments.when):
        return _not_run(asked)
    refusal = _refusal(arguments, asked.report.host, asked.tier)
    return asked.refuse(ApplyStatus.REFUSED, refusal) if refusal else _run(asked)


def _asked(arguments: argparse.Namespace, chosen: Options, host: str | None, looked: FinishedRun) -> _Asked | None:
    """None, and said, where it has no such filesystem as was asked for."""
    planned = aim(looked.report, arguments.mount)
    if planned is None:
        return None
    tier = Risk(arguments.tier)
    return _Asked(arguments, host, chosen, looked, planned, tier, at_tier(planned.plan, tier))


def _dry_run(arguments: argparse.Namespace, looked: Looked, every: Sequence[_Asked | None]) -> int:
    known = [one for one in every if one is not None]
    if known and (earlier := earlier_run(state_of(known[0].chosen))):
        print(f"ullage: {formatting.safe(earlier, None)}", file=sys.stderr)
    if arguments.format == "json":
        sys.stdout.write("".join(one.document(one.report.exit_status) for one in known))
    else:
        sys.stdout.write(pages(looked, [one.dry_run() if one else "" for one in every]))
    return worst([one.report.exit_status if one else UNKNOWN for one in every])


def _full_enough(report: Report, when_percent: float) -> bool:
    used_percent = _used_percent(report)
    return used_percent is not None and used_percent >= when_percent


def _not_run(asked: _Asked) -> int:
    status = ApplyStatus.UNKNOWN if _used_percent(asked.report) is None else ApplyStatus.REACHED
    page = plan_text.not_run(asked.report, asked.arguments.when, asked.tier, si=asked.arguments.si)
    return asked.tell(status, page, why_not=plan_text.why_not_run(asked.report, asked.arguments.when))


def _run(asked: _Asked) -> int:
    chosen, looked = asked.chosen, asked.looked
    try:
        context = for_snapshot(
            looked.snapshot,
            chosen.request.endpoint,
            chosen.request.host,
            state_of(chosen),
            chosen.settings,
            tier=asked.tier,
            target_percent=asked.arguments.until,
            mount=asked.report.plan.mount,
            books=looked.judged.books_of(asked.report.plan.mount),
        )
    except ValueError as error:
        return asked.refuse(ApplyStatus.UNKNOWN, str(error))
    done = _apply(asked.report.plan, asked.steps, context, si=asked.arguments.si)
    status = _status(asked.report, done, asked.steps, asked.arguments.until)
    asked.tell(status, plan_text.applied(asked.report, done, asked.tier, si=asked.arguments.si), done)
    _aftermath(done, asked.steps, chosen)
    return status


def _used_percent(report: Report) -> int | None:
    """How full the disk is, as the report says; None: not known, which is no reason to remove anything."""
    space = report.judged_ledger.filesystem.space if report.judged_ledger else None
    return space.value.used_percent if isinstance(space, Exact) else None


def state_of(chosen: Options) -> Path:
    """Where the run log, the lock and the ends of cut logs are kept, also when no figures are."""
    return chosen.request.host.state or state_folder()


def at_tier(plan: Plan, tier: Risk) -> tuple[Step, ...]:
    """The steps that may run by themselves at this tier.

    On the way to a target, none that is worse than one that waits for its age: that would let the worse go first.
    """
    able = tuple(step for step in plan.steps if step.unasked and step.risk.rank <= tier.rank)
    if plan.target is None:
        return able
    waits = min((step.harm for step in plan.steps if step.automatic and step.young_s), default=Harm.DATA)
    return tuple(step for step in able if step.harm <= waits)


def _refusal(arguments: argparse.Namespace, host: str, tier: Risk) -> str:
    """Destroying asks for the host's name: typed, or given by who cannot type."""
    if tier is not Risk.DESTRUCTIVE:
        return ""
    given = arguments.yes_i_mean
    if given is None:
        if not sys.stdin.isatty():
            return f"--tier destructive wants --yes-i-mean {formatting.safe(host)}"
        given = input(f"This destroys data on {formatting.safe(host)}. Type the host name to go on: ").strip()
    return (
        ""
        if given == host
        else f"{formatting.safe(given)} is not this host ({formatting.safe(host)}): nothing was done"
    )


def _apply(plan: Plan, steps: tuple[Step, ...], context: RunContext, *, si: bool) -> ReclaimOutcome:
    """Run, with progress on stderr; an interrupt stops after the current thing."""
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = signal.signal(signal.SIGINT, interrupted), signal.signal(signal.SIGTERM, interrupted)
    try:
        titles = {step.id: step.title for step in plan.every_step}
        tell = partial(_tell, titles=titles, si=si)
        return apply(plan, frozenset(step.id for step in steps), context, on_event=tell, cancelled=stop.is_set)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def _tell(event: Event, titles: Mapping[str, str], *, si: bool) -> None:
    """One line of progress, by the step's title."""
    where = f" {event.done}/{event.total}" if event.total else ""
    freed = "" if event.freed_bytes is None else f", {formatting.bytes_(event.freed_bytes, si=si)} freed"
    what = formatting.safe(event.text or titles.get(event.step, event.step), 300)
    print(f"{event.kind.value}{where}{f': {what}' if what else ''}{freed}", file=sys.stderr)


def actions_of(done: ReclaimOutcome, steps: tuple[Step, ...]) -> tuple[Action, ...]:
    """What was really done, in the journal's terms; steps that removed nothing are no action."""
    rules = {step.id: step.rule for step in steps}
    return tuple(
        Action(
            action=result.action,
            target=result.title,
            rule=rules.get(result.step, ""),
            predicted_bytes=exact_or_none(result.predicted),
            engine_bytes=exact_or_none(result.engine_reported),
            measured_bytes=exact_or_none(result.measured),
        )
        for result in done.steps
        if result.removed or (result.worked and not result.targets)
    )


def _aftermath(done: ReclaimOutcome, steps: tuple[Step, ...], chosen: Options) -> None:
    """Look again: the journal tells what was done and what it really freed, the vault what is still unresolved."""
    for note in remember(survey(chosen), chosen, actions_of(done, steps)):
        print(f"ullage: {note}", file=sys.stderr)


def _status(
    planned: Report, done: ReclaimOutcome, steps: tuple[Step, ...], target_percent: float | None
) -> ApplyStatus:
    """Without an engine there was no knowing what could be removed: to have found nothing is no result then."""
    came_of_it = reclaim.status(done, frozenset(step.id for step in steps), target_percent)
    if steps or not isinstance(planned.engine, Unavailable) or came_of_it is ApplyStatus.REFUSED:
        return came_of_it
    reached = target_percent is not None and came_of_it is ApplyStatus.REACHED
    return ApplyStatus.REACHED if reached else ApplyStatus.UNKNOWN
