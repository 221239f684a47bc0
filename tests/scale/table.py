"""Curves as Markdown: a table for each axis, the exponents, ten times the largest size on paper, what breaks first."""

from __future__ import annotations

from collections.abc import Sequence

from tests.scale.axes import Axis, Point
from tests.scale.fit import Law, law

DEADLINE_S = 60.0  # of a preflight, by default
MEMORY_BYTES = 2 << 30  # more than a report may cost a host that is in trouble
# What two runs of the same differ by.
_NOISE_S, _NOISE_BYTES, _NOISE_STEP_S = 0.1, 3 << 20, 0.01
_MIB = 1 << 20


def section(axis: Axis, points: Sequence[Point]) -> str:
    """`points` begin with size 0."""
    start, *rest = points
    sizes = [point.size for point in rest]
    lines = [
        f"## {axis.name}: to {sizes[-1]:,}",
        "",
        axis.says,
        "",
        f"| | start | {' | '.join(f'{size:,}' for size in sizes)} | exponent | 10 × on paper |",
        f"|---|{'--:|' * (len(sizes) + 3)}",
    ]
    for name in rest[0].whole:
        began = start.whole.get(name)
        seconds = {point.size: point.whole[name].cpu_s for point in rest}
        peaks = {point.size: float(point.whole[name].peak_bytes) for point in rest}
        lines.append(_line(f"{name}, s", began.cpu_s if began else 0.0, seconds, _NOISE_S, ".2f", 1.0))
        lines.append(_line(f"{name}, peak MiB", began.peak_bytes if began else 0.0, peaks, _NOISE_BYTES, ",.0f", _MIB))
    for name in rest[0].steps:
        seconds = {point.size: point.steps[name] for point in rest}
        lines.append(_line(f"– {name}, s", start.steps.get(name, 0.0), seconds, _NOISE_STEP_S, ".3f", 1.0))
    for name in rest[-1].facts:
        cells = " | ".join(f"{point.facts.get(name, 0):,}" for point in points)
        lines.append(f"| {name} | {cells} | | |")
    return "\n".join([*lines, "", first_to_break(axis, points), ""])


def laws(axis: Axis, points: Sequence[Point]) -> tuple[Law | None, Law | None]:
    """Of what is judged: seconds, bytes."""
    start, *rest = points
    began = start.whole[axis.judged]
    return (
        law({point.size: point.whole[axis.judged].cpu_s for point in rest}, began.cpu_s, _NOISE_S),
        law({p.size: float(p.whole[axis.judged].peak_bytes) for p in rest}, began.peak_bytes, _NOISE_BYTES),
    )


def steepest(axis: Axis, points: Sequence[Point]) -> float:
    """The largest exponent of processor time of anything that was measured."""
    start, *rest = points
    found = [
        law({p.size: p.whole[name].cpu_s for p in rest}, start.whole[name].cpu_s, _NOISE_S)
        for name in rest[0].whole
        if name in start.whole
    ]
    # A step that stays below a second is not what anybody waits for; its exponent is that of noise.
    found += [
        law({p.size: p.steps[name] for p in rest}, start.steps.get(name, 0.0), _NOISE_STEP_S)
        for name in rest[0].steps
        if rest[-1].steps[name] > 1.0
    ]
    return max((one.exponent for one in found if one is not None), default=0.0)


def first_to_break(axis: Axis, points: Sequence[Point]) -> str:
    """In words: the deadline or the memory, and at which size."""
    seconds, peak = laws(axis, points)
    limits = []
    if seconds is not None:
        limits.append((seconds.reaches(DEADLINE_S), f"the default deadline of {DEADLINE_S:.0f} s"))
    if peak is not None:
        limits.append((peak.reaches(MEMORY_BYTES), f"{MEMORY_BYTES >> 30} GiB of memory"))
    if not limits:
        return f"Nothing breaks: {axis.judged} costs the same at every size."
    size, what = min(limits)
    return f"First to break: {what}, at {_rounded(size):,} {axis.unit}."


def _rounded(size: float) -> int:
    digits = max(0, len(str(int(size))) - 2)
    return int(round(size, -digits))


def _line(name: str, start: float, costs: dict[int, float], noise: float, form: str, unit: float) -> str:
    found = law(costs, start, noise)
    cells = [format(cost / unit, form) for cost in (start, *costs.values())]
    ends = [f"{found.exponent:.2f}", format(found.at(10 * max(costs)) / unit, form)] if found else ["flat", cells[-1]]
    return f"| {name} | {' | '.join([*cells, *ends])} |"
