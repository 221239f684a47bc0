"""What leaves the dashboard: the screen as SVG, the report as Markdown for a post-mortem. Names stay escaped.

And what is kept for the next time: the view, theme, units and orders that a person chose.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import Field, asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.report.formatting import age, bytes_, count, moment, percent, quoted, size, whole_percent
from tui.drawing.palette import ANSI, DARK, PALETTES
from tui.serve import in_browser
from tui.view_models import RunHistory, space_of
from tui.view_models.categories import CategoryOrder, Units, label_of
from tui.view_models.chart import ChurnOrder
from tui.view_models.items import ItemOrder
from tui.view_models.state import DashboardState
from tui.view_models.verdict import word

_FONT_FACE = re.compile(r"\s*@font-face \{[^}]*\}")


def markdown(report: Report, history: RunHistory, *, si: bool = False) -> str:
    """The whole report as a page: verdict, books, findings, plan, events, what could not be read."""
    return "\n".join(_page(report, history, si=si)) + "\n"


def local(svg: str) -> str:
    """The drawing without Rich's links to a font on the web: opening it tells nobody."""
    families = '"Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace'
    return _FONT_FACE.sub("", svg).replace("font-family: Fira Code, monospace", f"font-family: {families}")


def write(folder: Path, stem: str, svg: str, page: str) -> tuple[Path, Path]:
    """Both files, new ones only, readable by their owner. OSError where the folder cannot be written."""
    return _new(folder, stem, ".svg", svg), _new(folder, stem, ".md", page)


def _new(folder: Path, stem: str, suffix: str, text: str) -> Path:
    """An existing file or link of that name is never written through."""
    for number in range(100):
        path = folder / f"{stem}{f'-{number}' if number else ''}{suffix}"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{folder / stem}{suffix}: a hundred of them are there already")


def _page(report: Report, history: RunHistory, *, si: bool) -> Iterator[str]:
    space = space_of(report)
    yield f"# Docker storage on {quoted(report.host)}, {moment(report.taken_at)}"
    yield ""
    yield f"- Severity: {report.severity.name} ({word(report.severity)})"
    yield f"- Verdict: {report.verdict_in(si=si)}"
    if space is not None:
        left = f"{bytes_(space.available_bytes, si=si)} left of {bytes_(space.total_bytes, si=si)}"
        yield f"- Disk: {whole_percent(space.used_percent)} used, {left}"
    if isinstance(report.explained_percent, Exact):
        yield f"- Explained: {percent(report.explained_percent.value)} of the used bytes"
    yield from ("", "## Where it is", "", "| Category | Size | Bytes | Reclaimable | |", "|---|--:|--:|--:|---|")
    for row in report.ledger.rows if report.ledger is not None else ():
        exact = f"{row.charged.value:,}" if isinstance(row.charged, Exact) else ""
        cells = (
            label_of(row.category).title,
            size(row.charged, si=si),
            exact,
            size(row.reclaimable, si=si),
            row.reason,
        )
        yield f"| {' | '.join(quoted(text) for text in cells)} |"
    yield from ("", "## Findings", "")
    for finding in report.findings:
        amount = f", {quoted(size(finding.bytes, si=si))}" if finding.bytes is not None else ""
        doubt = "" if finding.certain else " (not certain)"
        yield f"- [{finding.severity.name}] {quoted(finding.claim, 400)}{amount}{doubt} — {quoted(finding.remedy, 400)}"
        for label, value in finding.evidence:
            yield f"  - {quoted(label)}: {quoted(evidence(value, si=si), 400)}"
    yield from ("", "## Plan", "")
    for number, step in enumerate(report.plan.steps, 1):
        promise = f"{quoted(size(step.frees, si=si))}, {step.risk.value}; undo: {quoted(step.undo)}"
        yield f"{number}. {quoted(step.title, 400)}: {promise}"
        yield f"   {quoted(step.command, 400)}"
    for step in report.plan.for_person:
        yield f"- for a person: {quoted(step.title, 400)}: {quoted(size(step.frees, si=si))}; undo: {quoted(step.undo)}"
        yield f"   {quoted(step.command, 400)}"
    yield from (f"- left out: {quoted(text, 400)}" for text in report.plan.left_out)
    yield from _events(history, si=si)
    yield from ("", "## What could not be read", "")
    yield from _coverage(report)


def evidence(value: Size | str, *, si: bool = False) -> str:
    """What shows a finding: a figure in words, or the text as it is, not yet escaped."""
    return value if isinstance(value, str) else size(value, si=si)


def _events(history: RunHistory, *, si: bool) -> Iterator[str]:
    if history.events:
        yield from ("", "## What happened", "", "| When | Used | |", "|---|--:|---|")
        for event in history.events:
            used = "" if event.used_percent is None else whole_percent(event.used_percent)
            yield f"| {moment(event.at)} | {used} | {quoted(event.words(si=si), 400)} |"


def _coverage(report: Report) -> Iterator[str]:
    unread = [row for row in report.coverage if row.reason]
    for row in unread:
        yield f"- {quoted(row.source)}: {row.outcome.value}, {quoted(row.reason, 400)} ({age(row.took_s)})"
    if isinstance(report.engine, Unavailable):
        yield f"- engine: {report.engine.why}, {quoted(report.engine.detail, 400)}"
    if not unread:
        yield f"- {count(len(report.coverage), 'source')}, all read"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose in the dashboard and finds again the next time."""

    view: str = "overview"
    theme: str = ""  # "": what the terminal can do
    units: Units = Units.IEC
    order: CategoryOrder = CategoryOrder.SIZE
    item_order: ItemOrder = ItemOrder.EXCLUSIVE
    churn_order: ChurnOrder = ChurnOrder.COST


def kept_choices(path: Path | None) -> Choices:
    """The choices of the last time. What cannot be read or is none of today's values counts as never chosen."""
    try:
        kept = json.loads(path.read_bytes()) if path is not None else {}
    except (OSError, ValueError, RecursionError):
        return Choices()
    kept = kept if isinstance(kept, dict) else {}
    known = {name: _chosen(kept.get(name), field) for name, field in Choices.__dataclass_fields__.items()}
    chosen = Choices(**known)
    return chosen if chosen.theme in PALETTES else replace(chosen, theme="")


def _chosen(value: object, field: Field[Any]) -> Any:
    """A kept value as its field has it, or the field's own."""
    if isinstance(field.default, Enum):
        known = {one.value: one for one in type(field.default)}
        return known.get(value, field.default) if isinstance(value, str) else field.default
    return value if isinstance(value, str) else field.default


def keep_choices(path: Path, chosen: Choices) -> None:
    """Keep them for the next time, whole or not at all; a folder that takes nothing is no reason to complain."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(asdict(chosen)))
        beside.replace(path)


def choices_of(begun: DashboardState, state: DashboardState, before: Choices, *, units_were_told: bool) -> Choices:
    """What is on screen at the end; what the command line said counts only where somebody changed it afterwards."""
    shown = state.appearance.palette.name
    return Choices(
        view=state.view,
        theme=shown if shown != begun.appearance.palette.name else before.theme,
        units=before.units if units_were_told and state.units is begun.units else state.units,
        order=state.order,
        item_order=state.item_order,
        churn_order=state.churn_order,
    )


def default_theme(kept: str) -> str:
    """The one that was chosen, else dark; where the terminal has few colours its own sixteen, or none at all."""
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return ANSI.name
    if in_browser():
        return DARK.name
    rich_in_colours = Console(file=sys.__stderr__).color_system in ("256", "truecolor")
    return (kept or DARK.name) if rich_in_colours else ANSI.name
