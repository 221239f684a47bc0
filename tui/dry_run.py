"""What the chosen steps would do, without doing it: in order, with what each adds and what is used after it. Pure."""

from __future__ import annotations

from collectors.model.filesystem import FsSpace
from collectors.model.plan import Plan
from collectors.report.words import bytes_, count, percent, safe
from tui.fit import Bit, Line
from tui.frame import percent_of


def dry_run(plan: Plan, chosen: frozenset[str], space: FsSpace, *, si: bool) -> tuple[Line, ...]:
    """Two lines a step: what comes free by then, and the command. Sets, not sums: shared bytes count once."""
    lines: list[Line] = []
    done: frozenset[str] = frozenset()
    for number, step in enumerate((step for step in plan.steps if step.id in chosen), 1):
        before = plan.frees_bytes(done)
        done |= {step.id}
        freed = plan.frees_bytes(done)
        used = max(0, space.used_bytes - freed)
        lines.append(
            (
                Bit(f" {number} ", "muted"),
                Bit("frees ", "muted"),
                Bit(bytes_(freed - before, si=si), "goodstrong"),
                Bit(f" → {percent(percent_of(used, space))} used", "text"),
                Bit(f"  {safe(step.title)}", "text", 1, cut=True),
            )
        )
        lines.append((Bit("   $ ", "muted"), Bit(safe(step.command), "muted", 1, cut=True)))
        if step.targets:
            each = f"   {count(len(step.targets), 'item')}, each verified again just before it goes"
            lines.append((Bit(each, "muted", 1, cut=True),))
    if not lines:
        return ((Bit(" No step is chosen: Space includes one.", "muted"),),)
    promised = bytes_(plan.frees_bytes(done), si=si)
    lines.append(
        (
            Bit(f" {count(len(done), 'step')}: ", "muted"),
            Bit(promised, "goodstrong"),
            Bit(" promised. Nothing has run.", "muted", 1),
        )
    )
    return tuple(lines)
