"""What a run is about to do, written before it does it, so that the next run can say what a crash left behind.

One JSON line per fact in `reclaim.jsonl` of the state folder: the run begins, means to remove a target, has done so,
ends. A disk that is too full to write on is no reason to stop freeing space: the log then misses it, and the outcome
says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.model.owner import Owner
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

    def did(self, step: str, target: Owner | None, removed: bool, reason: str) -> None:
        """What came of it."""
        self._write("did", step=step, target=_text(target), removed=removed, reason=reason)

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
    last: dict[str, Any] | None = None
    meant: dict[str, Any] | None = None
    removed = 0
    for fact in _facts(state / NAME):
        match fact.get("what"):
            case "begin":
                last, meant, removed = fact, None, 0
            case "means":
                meant = fact
            case "did":
                removed += fact.get("removed") is True
                meant = None
            case "end":
                last = None
            case _:
                pass
    if last is None:
        return None
    target = meant.get("target") if meant else None
    tags = meant.get("tags") if meant else None
    return Unfinished(
        began_at=str(last.get("at", "")),
        step_title=str(meant.get("title", "")) if meant else "",
        target=_owner(target) if isinstance(target, str) else None,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        removed_count=removed,
    )


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
