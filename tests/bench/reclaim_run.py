"""One mess, its whole plan, all of it done: by the tool, by the commands it prints, and once the engine is stopped.

Each part is measured by itself, so that stopping the engine is in none of them. Refuses only what needs judgement:
which files to rewrite, how old a journal or a core dump may get.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collectors.ledger.release_table import closure
from collectors.model import Owner
from collectors.model.ledger import Books
from collectors.model.plan import Plan, Risk, Step
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why, total
from collectors.model.store import UnitKind
from collectors.pipeline import FinishedRun as Looked
from collectors.reclaim import ReclaimOutcome, StepResult, TargetResult, predicted
from collectors.reclaim.engine_and_disk import freed, freed_data, read_fill, settle
from collectors.reclaim.step import by_hand
from tests.lab import Lab
from tests.reclaim.reclaiming import Reclaiming

# What the engine keeps for itself, and writes and shortens as it removes things: no plan promises anything of it.
_OWN = frozenset({UnitKind.LAYER_DATABASE, UnitKind.BUILD_DATABASE, UnitKind.ENGINE_FILES, UnitKind.CONTAINER_FILES})
_JUDGEMENT = ("btrfs.rewrite", "journal.vacuum", "core-dumps.remove")


@dataclass(frozen=True)
class Whole:
    """`predicted_trees`: how much of `predicted` lies in btrfs' tree blocks. `own_bytes`: by how much the engine's own
    files became smaller meanwhile, by the tool's own measure of them.
    """

    steps: tuple[StepResult, ...]
    predicted: Size
    predicted_trees: int
    engine_reported: Size
    measured: Size
    measured_data: Size
    own_bytes: int


def whole_plan(lab: Lab, state: Path) -> Whole:
    """Everything that the plan of this lab holds."""
    reclaiming = Reclaiming(lab, state)
    time.sleep(1.1)  # the engine dates volumes in whole seconds; those as young as the plan are left alone
    looked = reclaiming.look()
    plan = looked.report.plan
    run = _Run(reclaiming, plan, looked.judged.accounts[0].books)
    hands = [step for step in plan.every_step if by_hand(step) and step.action not in _JUDGEMENT]
    stopped = [step for step in plan.every_step if step.needs.startswith("the engine stopped")]
    later = [step for step in hands if step not in stopped]
    by_itself = [step for step in plan.every_step if not by_hand(step) and step not in stopped]
    run.by_the_tool(looked, by_itself)
    if later:
        run.by_commands(reclaiming.look(), later)
    if stopped:
        lab.stop_engine()
        run.by_the_tool(reclaiming.look(), [step for step in stopped if not by_hand(step)])
        run.by_commands(reclaiming.look(), [step for step in stopped if by_hand(step)])
    return run.whole()


class _Run:
    def __init__(self, reclaiming: Reclaiming, plan: Plan, books: Books) -> None:
        self._reclaiming, self._plan, self._books = reclaiming, plan, books
        self._results: list[StepResult] = []
        self._gone: set[Owner] = set()
        self._measured: list[Size] = []
        self._data: list[Size] = []
        self._reported: list[Size] = []
        self._own = 0

    def by_the_tool(self, looked: Looked, steps: list[Step]) -> None:
        """`looked`: the moment before, which is measured; the plan is always the first one."""
        if not steps:
            return
        ids = frozenset(step.id for step in steps)
        planned = self._reclaiming.planned(looked, self._plan)
        outcome = self._reclaiming.apply(planned, Risk.DESTRUCTIVE, named=ids, steps=ids)
        self._add(looked, outcome.steps, outcome)
        if isinstance(outcome.engine_reported, Exact):
            self._reported.append(outcome.engine_reported)

    def by_commands(self, looked: Looked, steps: list[Step]) -> None:
        """As a person would: the line that the plan prints, in a shell."""
        mountpoint = str(self._reclaiming.lab.mount)
        for step in steps:
            before, began = read_fill(mountpoint), time.monotonic()
            done = _shell(self._reclaiming.lab, step)
            _ended(step)
            note = settle(mountpoint, 60.0, set(), lambda left, of: True)
            after = read_fill(mountpoint)
            silent = Unavailable(Why.NOT_REPORTED, "a command was typed", _origin())
            self._results.append(
                StepResult(
                    step=step.id,
                    action=step.action,
                    title=step.title,
                    predicted=step.frees,
                    engine_reported=silent,
                    measured=freed(before, after),
                    measured_data=freed_data(before, after),
                    targets=tuple(TargetResult(t, not done, done) for t in step.targets),
                    took_s=time.monotonic() - began,
                    note=note,
                    worked=not done,
                )
            )
            self._measured.append(self._results[-1].measured)
            self._data.append(self._results[-1].measured_data)
            self._gone.update(self._results[-1].removed)
        if steps:
            self._own += _own(looked, self._gone) - _own(self._reclaiming.look(), self._gone)

    def whole(self) -> Whole:
        origin = _origin()
        silent = Unavailable(Why.NOT_REPORTED, "the engine named no figure", origin)
        gone = closure(self._gone)
        return Whole(
            steps=tuple(self._results),
            predicted=predicted(self._plan, tuple(self._results), origin),
            predicted_trees=sum(one.tree_bytes for one in self._books.releases if one.owners <= gone),
            engine_reported=total(self._reported, origin) if self._reported else silent,
            measured=total(self._measured, origin),
            measured_data=_all(self._data),
            own_bytes=self._own,
        )

    def _add(self, looked: Looked, results: tuple[StepResult, ...], outcome: ReclaimOutcome) -> None:
        self._results += results
        self._gone.update(target for result in results for target in result.removed)
        self._measured.append(outcome.measured)
        self._data.append(outcome.measured_data)
        self._own += _own(looked, self._gone) - _own(self._reclaiming.look(), self._gone)


def _own(looked: Looked, gone: set[Owner]) -> int:
    """Bytes that the engine's own files hold, shared ones too, but for files of containers that the plan counted in."""
    study = looked.snapshot.studies[0]
    mine = {u.id for u in study.units if u.kind in _OWN and not (u.owners and u.owners <= gone)}
    shares = study.occupancy.value.shares if isinstance(study.occupancy, Exact) else ()
    return sum(share.bytes for share in shares if share.holders & mine)


def _all(sizes: list[Size]) -> Size:
    """Their sum; not applicable where they are (another filesystem than btrfs), or where nothing was done."""
    if not sizes:
        return Unavailable(Why.NOT_APPLICABLE, "nothing was done", _origin())
    return next((size for size in sizes if isinstance(size, Unavailable)), None) or total(sizes, _origin())


def _shell(lab: Lab, step: Step) -> str:
    """ "" or why it failed."""
    environment = {**os.environ, "DOCKER_HOST": lab.host}
    done = subprocess.run(
        ["/bin/bash", "-c", step.command], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return f"{step.id}: {done.stderr.strip() or done.returncode}" if done.returncode else ""


def _ended(step: Step, timeout_s: float = 30.0) -> None:
    """`kill` only asks: wait until the process is through with closing its files."""
    status = Path("/proc", step.id.removeprefix("holder:"), "stat")
    ends = time.monotonic() + timeout_s
    while step.command.rpartition(" && ")[2].startswith("kill ") and time.monotonic() < ends:
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.05)


def _origin() -> Origin:
    return Origin("bench", "whole plan", datetime.now(UTC), 0.0)
