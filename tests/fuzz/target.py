"""What a target is, and how one case of it is judged. A case is bytes, whatever it stands for."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

CASE_S = 10  # of processor time: a hundred times what the slowest case takes


@dataclass(frozen=True, slots=True)
class Target:
    """`judge` says what became of a case in a few words; what it raises is a find.

    `guided` names the modules that a coverage-guided fuzzer watches; none: the seeds are changed at random.
    """

    name: str
    fuzzed: str
    seeds: Callable[[], Sequence[bytes]]
    mutate: Callable[[Random, bytes], bytes]
    judge: Callable[[bytes], str]
    guided: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Find:
    """`signature` is the same for finds of one cause, as far as one can tell."""

    signature: str
    case: bytes
    trace: str


class TooLong(BaseException):
    """A case did not end in time. No reader can take it for one of its own failures."""


def judged(target: Target, case: bytes) -> str | Find:
    """What became of one case."""
    try:
        return target.judge(case)
    except MemoryError as error:
        return Find(f"MemoryError: {error}", case, traceback.format_exc())
    except (Exception, TooLong) as error:  # noqa: BLE001 - a fuzzer is after exactly those
        return Find(_signature(error), case, traceback.format_exc())


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "collectors" in Path(frame.filename).parts] or frames
    last = ours[-1]
    words = str(error)[:200] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.name} {words}".strip()


@contextmanager
def within_time(seconds: float) -> Iterator[None]:
    """Raise TooLong in the middle of what takes more processor time than that. In the main thread only."""

    def late(_: int, __: FrameType | None) -> None:
        raise TooLong(f"more than {seconds} s of processor time")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
