"""Steps of a plan in words: the same wherever a plan is shown."""

from __future__ import annotations

from collectors.model.plan import Step
from collectors.report import words


def step_lines(steps: tuple[Step, ...], si: bool) -> list[str]:
    """One numbered line a step, its command and conditions below it."""
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        manual = "" if step.automatic else " (by hand)"
        title, frees = words.quoted(step.title, 300), words.size(step.frees, si=si)
        lines.append(f"{number}. [{step.risk.value}] {title}, {frees}{manual}")
        details = (
            # Shell-quoted already. A command that is cut short, or that Markdown's escapes stand in, is no command.
            ("Command", words.safe(step.command)),
            ("Needs", words.quoted(step.needs, None)),
            ("Costs", words.quoted(step.costs, None)),
            ("Undo", words.safe(step.undo)),
        )
        lines += [f"   - {label}: {text}" for label, text in details if text]
    return lines
