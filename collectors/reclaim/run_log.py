"""What a run is about to do, written before it does it, so that the next run can say what a crash left behind.

One JSON line per fact in `reclaim.jsonl` of the state folder: the run begins, means to remove a target, has done so,
ends. A disk that is too full to write on is no reason to stop freeing space: the log then misses it, and the outcome
says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.model import Owner, dataclass
from collectors.system import folders

NAME = "reclaim.jsonl"
_KEEP_BYTES = 1 << 20
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that began and never ended. `target` is what it was removing; `tags` the names an image had then."""

    began_at: str
    step_title: str
    target: Owner | None
    tags: tuple[str, ...]
    removed_count: int


class RunLog:
    """Appends to the log of one run. Never raises; `problem` is why something is missing, "" for nothing."""

    def __init__(self, state: Path) -> None:
        self.problem = ""
        self._path = state / NAME
        self._titles: dict[str, str] = {}

    def begin(self, steps: Iterable[tuple[str, str]], target_percent: float | None) -> None:
        """(id, title) of the steps that are about to run, in order."""
        with contextlib.suppress(OSError):
            if self._path.lstat().st_size > _KEEP_BYTES:
                self._path.replace(self._path.with_suffix(".1.jsonl"))
        self._titles = dict(steps)
        # A crash may have torn the last line; a line of its own keeps this one whole.
        self._write("begin", before="\n", steps=list(self._titles), target_percent=target_percent, pid=os.getpid())

    def means(self, step: str, target: Owner | None, tags: Iterable[str] = ()) -> None:
        """The next thing to be removed."""
        self._write("means", step=step, title=self._titles.get(step, step), target=_text(target), tags=list(tags))

    def did(self, step: str, target: Owner | None, removed: bool, reason: str, unsettled: Iterable[str] = ()) -> None:
        """What came of it; `unsettled` are names of the target that are still to be put back."""
        left = list(unsettled)
        facts: dict[str, Any] = {"unsettled": left} if left else {}
        self._write("did", step=step, target=_text(target), removed=removed, reason=reason, **facts)

    def settled(self, target: Owner) -> None:
        """Its names are as they should be."""
        self._write("settled", target=_text(target))

    def end(self, ended: str) -> None:
        """The run is over, and says why."""
        self._write("end", ended=ended)

    def _write(self, what: str, *, before: str = "", **facts: Any) -> None:
        line = json.dumps({"v": _VERSION, "at": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, **facts})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=folders.OWN_FOLDER_MODE)
            with folders.own_file(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as fd:
                os.write(fd, f"{before}{line}\n".encode())
                os.fdatasync(fd)
        except OSError as error:
            self.problem = f"the run log could not be written: {error.strerror or error}"


def unfinished(state: Path) -> Unfinished | None:
    """The last run, if it never ended; None also where no log can be read. Torn lines are passed over.

    A log that may be another's is not read: what it names is put back.
    """
    last, meant, removed = _left_open(_facts(state / NAME))
    if last is None:
        return None
    target = meant.get("target")
    return Unfinished(
        began_at=str(last.get("at", "")),
        step_title=str(meant.get("title", "")),
        target=_owner(target) if isinstance(target, str) else None,
        tags=_names(meant.get("tags")),
        removed_count=removed,
    )


def _left_open(facts: Iterable[dict[str, Any]]) -> tuple[dict[str, Any] | None, dict[str, Any], int]:
    """The beginning of the last run, None if it ended; what it meant to do and had not done; how much it removed."""
    last: dict[str, Any] | None = None
    meant: dict[str, Any] = {}
    removed = 0
    for fact in facts:
        match fact.get("what"):
            case "begin":
                last, meant, removed = fact, {}, 0
            case "means":
                meant = fact
            case "did":
                removed += fact.get("removed") is True
                meant = {}
            case "end":
                last = None
            case _:
                pass
    return last, meant, removed


def unsettled(state: Path) -> Mapping[Owner, tuple[str, ...]]:
    """Names that runs which did end have left to be put back: the engine refused, or was lost for good."""
    left: dict[Owner, tuple[str, ...]] = {}
    meant: dict[str, Any] | None = None
    for fact in _facts(state / NAME):
        what, target = fact.get("what"), _owner(str(fact.get("target")))
        if what == "means":
            meant = fact
        elif what == "end" and meant is not None:
            if (lost := _owner(str(meant.get("target")))) is not None and (names := _names(meant.get("tags"))):
                left[lost] = names
            meant = None
        elif what in ("did", "settled") and target is not None:
            meant = None
            left.pop(target, None)
            if names := _names(fact.get("unsettled")):
                left[target] = names
    return left


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _text(target: Owner | None) -> str | None:
    return target.text() if target else None


def _owner(text: str) -> Owner | None:
    """None also for a kind of owner that only another version of this program knows."""
    try:
        return Owner.parse(text)
    except ValueError:
        return None


def _facts(path: Path) -> Iterable[dict[str, Any]]:
    try:
        lines = folders.read_own(path).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            fact = json.loads(line)
        except ValueError:
            continue
        if isinstance(fact, dict):
            yield fact
