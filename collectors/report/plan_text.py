"""Steps of a plan in words: the same wherever a plan is shown."""

from __future__ import annotations

from collectors.model.plan import Plan, Step
from collectors.model.reading import Exact
from collectors.report import words


def step_lines(plan: Plan, steps: tuple[Step, ...], si: bool) -> list[str]:
    """One numbered line for each of these steps of the plan, its command and conditions below it."""
    lines: list[str] = []
    later = plan.later_bytes()
    for number, step in enumerate(steps, 1):
        manual = "" if step.automatic else " (by hand)"
        title, frees = words.quoted(step.title, 300), words.size(step.frees, si=si)
        lines.append(f"{number}. [{step.risk.value}] {title}, {frees}{manual}")
        details = (
            ("Leads to", leads_to(step, later.get(step.id, 0), si)),
            # Shell-quoted already. A command that is cut short, or that Markdown's escapes stand in, is no command.
            ("Command", words.safe(step.command)),
            ("Needs", words.quoted(step.needs, None)),
            ("Costs", words.quoted(step.costs, None)),
            ("Undo", words.safe(step.undo)),
        )
        lines += [f"   - {label}: {text}" for label, text in details if text]
    return lines


def leads_to(step: Step, later_bytes: int, si: bool) -> str:
    """What a step is good for where that is more than its own bytes; "" where it is not."""
    own = step.frees.value if isinstance(step.frees, Exact) else 0
    return f"{words.bytes_(later_bytes, si=si)} that only a later step frees" if later_bytes > own else ""
