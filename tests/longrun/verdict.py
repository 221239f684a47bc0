"""What a long run must hold to, with the reason of each bound; and the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.longrun.course import RUNS_A_DAY, Command, Course
from tests.longrun.watch import slope

# Memory that stays is seen twice. The interpreter counts its blocks exactly, and a report that was kept would be ten
# thousand of them; a short run has not yet filled its caches. What libraries keep shows in resident memory alone, which
# the allocator lets rise in the first hundred runs (an arena for each thread) and hardly after that: 8 KiB a run are
# 4 MiB in a dashboard's week. The first two dozen runs on btrfs take 11 to 17 MiB, one time so and one time so.
BLOCKS_A_RUN, BLOCKS_AT_ALL = 10.0, 4_000
RSS_BYTES_A_RUN, RSS_BYTES_AT_ALL = 8 * 1024, 12 << 20
RSS_BYTES_AT_FIRST, FIRST_RUNS = 20 << 20, 100
JOURNAL_BYTES_A_DAY = 1_000_000
T = TypeVar("T")
_WARM = 0.2  # of the runs: imports, caches, the first growth of the heap


def steady(values: Sequence[T]) -> Sequence[T]:
    """The last 80 %."""
    return values[int(len(values) * _WARM) :]


def rss_slope(course: Course) -> float:
    """Bytes a run, over the last 80 %."""
    return slope(steady([one.rss_bytes for one in course.held]))


def block_slope(course: Course) -> float:
    """Blocks of the interpreter a run, likewise: what is kept, whatever the allocator does."""
    return slope(steady([one.blocks for one in course.held]))


def largest_day(course: Course) -> int:
    """Bytes of the largest day of the journal; a short one is scaled up to all its runs."""
    if course.runs < RUNS_A_DAY:
        return course.days_bytes[0] * RUNS_A_DAY // course.runs
    return max(course.days_bytes)


def failures(course: Course) -> list[str]:
    """Everything that does not hold, a sentence each; empty when all of it does."""
    found = list(dict.fromkeys(course.troubles))
    rest = len(steady(course.held))
    rss_bytes = RSS_BYTES_AT_FIRST if course.runs < FIRST_RUNS else RSS_BYTES_AT_ALL
    for what, grown, allowed in (
        ("resident memory", rss_slope(course), max(RSS_BYTES_A_RUN, rss_bytes / rest)),
        ("what the interpreter keeps", block_slope(course), max(BLOCKS_A_RUN, BLOCKS_AT_ALL / rest)),
    ):
        if grown > allowed:
            found.append(f"{what} grows by {grown:,.1f} a run, {allowed:,.1f} are allowed")
    for name, most in (("descriptors", None), ("threads", None), ("children", 0), ("temporary", 0), ("mounts", 0)):
        counts = steady(course.held_counts(name))
        bound = min(counts) if most is None else most
        if counts[-1] > bound or (most is not None and max(counts) > most):
            found.append(f"{name}: {max(counts)} after a run, {counts[-1]} after the last one; {bound} are allowed")
    if left := sum(command.left_behind for command in course.commands):
        found.append(f"commands left {left} files or processes behind")
    if largest_day(course) > JOURNAL_BYTES_A_DAY:
        found.append(f"the journal takes {largest_day(course):,} bytes a day")
    return found


def table(courses: Sequence[Course], head: str) -> str:
    """Markdown."""
    names = [f"{course.driver}, {course.runs} runs" for course in courses]
    lines = [head, "", f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(courses)}"]
    rows: list[tuple[str, Callable[[Course], str]]] = [
        ("in one long-lived process / as commands", lambda c: f"{len(c.held)} / {len(c.commands)}"),
        ("resident memory: first, at 20 %, last, MiB", _rss),
        ("its slope over the last 80 %, bytes a run", lambda c: f"{rss_slope(c):+,.0f}"),
        ("blocks of the interpreter: at 20 %, last; slope a run", _blocks),
        ("peak of the process, MiB", lambda c: f"{c.held[-1].peak_bytes / 2**20:.1f}"),
        ("descriptors: at 20 %, last, most", lambda c: _counts(c, "descriptors")),
        ("threads", lambda c: _counts(c, "threads")),
        ("children, zombies included", lambda c: _counts(c, "children")),
        ("entries in its folder for temporary files", lambda c: _counts(c, "temporary")),
        ("lab mounts more than before the run", lambda c: _counts(c, "mounts")),
        ("kept state: files, bytes at 20 %, last", _state),
        ("journal: bytes of the largest day of 72 runs", lambda c: f"{largest_day(c):,}"),
        ("commands: peak MiB, first, last", _command_peaks),
        ("commands: processor seconds, first, last", _command_times),
        ("left behind by commands", lambda c: str(sum(one.left_behind for one in c.commands))),
        ("seconds in all, changes of the lab included", lambda c: f"{c.elapsed_s:,.0f}"),
        ("verdict", lambda c: "; ".join(failures(c)) or "nothing grows"),
    ]
    lines += [f"| {name} | {' | '.join(cell(course) for course in courses)} |" for name, cell in rows]
    return "\n".join(lines) + "\n"


def _rss(course: Course) -> str:
    values = course.held_counts("rss_bytes")
    return ", ".join(f"{value / 2**20:.1f}" for value in (values[0], steady(values)[0], values[-1]))


def _blocks(course: Course) -> str:
    values = steady(course.held_counts("blocks"))
    return f"{values[0]:,}, {values[-1]:,}; {block_slope(course):+,.1f}"


def _counts(course: Course, name: str) -> str:
    values = course.held_counts(name)
    return f"{steady(values)[0]}, {values[-1]}, {max(values)}"


def _state(course: Course) -> str:
    files, bytes_ = course.held_counts("state_files"), course.held_counts("state_bytes")
    return f"{files[-1]}: {steady(bytes_)[0]:,}, {bytes_[-1]:,}"


def _command_peaks(course: Course) -> str:
    return ", ".join(f"{one.peak_bytes / 2**20:.1f}" for one in _ends(course))


def _command_times(course: Course) -> str:
    return ", ".join(f"{one.cpu_s:.2f}" for one in _ends(course))


def _ends(course: Course) -> Sequence[Command]:
    return course.commands[:: max(1, len(course.commands) - 1)][:2]
