"""The engine and the disk during a run: requests that are never repeated, and what really came free.

A request without an answer raises `NoAnswer`: its outcome is unknown, and whoever asked has to read the state again.
The client is opened again after a failure.

What came free is statvfs before and after, on btrfs once the cleaner is done, and there the data bytes too. Everything
else that writes to the filesystem meanwhile shows in the same figures; nothing here pretends otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import Api, Reply, negotiate, parse
from collectors.filesystems.freeing import AtOnce, freeing
from collectors.model import dataclass
from collectors.model.filesystem import used_percent
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.system import deadline
from collectors.system.deadline import Declined

if TYPE_CHECKING:
    from collectors.engine.write_client import WriteClient

__all__ = ["EngineSession", "NoAnswer", "Reply", "StillDown"]

_PING_S = 2.0
_PAUSE_S = 0.5


class NoAnswer(Exception):
    """No answer: the request may have been carried out or not. After a time-out it may be being carried out still."""

    def __init__(self, detail: str, *, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.timed_out = timed_out


class StillDown(Exception):
    """The engine did not come back in time."""


class EngineSession:
    """Use in `with`. One connection after the other; not for several threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._client: WriteClient | None = None
        self._api: Api | None = None

    def __enter__(self) -> EngineSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def get(self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float | None = None) -> Reply:
        """GET `path`; `timeout_s` None: as patient as with any request. Raises NoAnswer."""
        return self._ask("GET", path, query or {}, timeout_s)

    def post(self, path: str, query: Mapping[str, str]) -> Reply:
        """POST `path` with a query and no body. Raises NoAnswer."""
        return self._ask("POST", path, query)

    def load(self, archive: bytes) -> Reply:
        """POST an image as `docker save` writes it. Raises NoAnswer."""
        return self._send("POST", f"/v{self.api}/images/load", {"quiet": "1"}, self._timeout_s, archive)

    def delete(self, path: str, query: Mapping[str, str]) -> Reply:
        """DELETE `path`. Raises NoAnswer."""
        return self._ask("DELETE", path, query)

    @property
    def api(self) -> Api:
        """The version that both sides know. Raises NoAnswer."""
        if self._api is None:
            told = self._send("GET", "/version", {}, self._timeout_s).body
            newest = parse(str(told.get("ApiVersion", ""))) if isinstance(told, dict) else None
            oldest = parse(str(told.get("MinAPIVersion", ""))) if isinstance(told, dict) else None
            if newest is None:
                raise NoAnswer("the engine does not tell its API version")
            self._api = negotiate(newest, oldest)
        return self._api

    def answers(self) -> bool:
        """Is the engine there right now? Waits two seconds at most for each of connecting and answering."""
        try:
            return self._send("GET", "/_ping", {}, _PING_S).ok
        except NoAnswer:
            return False

    def wait_back(self, timeout_s: float, waiting: Callable[[float], bool]) -> None:
        """Until the engine answers again. `waiting` is told the seconds so far, and may give up (False).

        Raises StillDown.
        """
        began = time.monotonic()
        while not self.answers():
            spent = time.monotonic() - began
            if spent >= timeout_s or not waiting(spent):
                raise StillDown(f"the engine did not answer for {spent:.0f} s")
            time.sleep(_PAUSE_S)

    def _ask(self, method: str, path: str, query: Mapping[str, str], timeout_s: float | None = None) -> Reply:
        return self._send(method, f"/v{self.api}{path}", query, timeout_s or self._timeout_s)

    def _send(self, method: str, path: str, query: Mapping[str, str], timeout_s: float, archive: bytes = b"") -> Reply:
        pairs = tuple(query.items())
        try:
            client = self._opened()
            match method:
                case "POST" if archive:
                    return client.upload(path, pairs, archive, timeout_s=timeout_s)
                case "POST":
                    return client.post(path, pairs, timeout_s=timeout_s)
                case "DELETE":
                    return client.delete(path, pairs, timeout_s=timeout_s)
                case _:
                    return client.get(path, pairs, timeout_s=timeout_s)
        except Declined as error:
            self._drop()
            raise NoAnswer(error.detail, timed_out=error.why is Why.TIMED_OUT) from error
        except Exception as error:  # a defect on the way: there was no answer all the same
            self._drop()
            raise NoAnswer(str(error)[:200] or repr(error)) from error

    def _opened(self) -> WriteClient:
        if self._client is None:
            if self.endpoint.problem:
                raise Declined(Why.NOT_REACHABLE, self.endpoint.problem)
            # Loads the SDK, half of a run's start-up time: only who changes something pays for it.
            from collectors.engine.write_client import WriteClient

            self._client = WriteClient(self.endpoint, timeout_s=self._timeout_s)
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


_ASK_S = 20.0
_COMMIT_S = 600.0  # a commit on a busy disk takes as long as it takes; a run that cannot measure may not go on
_STEADY_S = 0.6  # two equal figures this far apart: nothing is being freed in the background any more
_STEADY_AT_MOST_S = 8.0
_POLL_S = 0.3
_STUCK_S = 15.0  # without a byte freed: the cleaner was woken by a commit and is not at these


@dataclass(frozen=True, slots=True)
class SpaceReading:
    """statvfs at one moment, in bytes, and on btrfs the logical bytes of data extents (None elsewhere)."""

    used_bytes: int
    available_bytes: int
    read_only: bool
    data_bytes: Reading[int] | None

    @property
    def used_percent(self) -> int:
        """How full the filesystem is, as every report shows it."""
        return used_percent(self.used_bytes, self.used_bytes + self.available_bytes)


def read_fill(mountpoint: str) -> Reading[SpaceReading]:
    """The filesystem's figures now, within seconds or with a reason."""
    return deadline.read("apply.fill", f"statvfs {mountpoint}", lambda: _fill(Path(mountpoint)), timeout_s=_ASK_S)


def freed(before: Reading[SpaceReading], after: Reading[SpaceReading]) -> Size:
    """How far statvfs used fell, in bytes; negative where others wrote more than was freed."""
    if isinstance(before, Unavailable):
        return before
    if isinstance(after, Unavailable):
        return after
    return Exact(before.value.used_bytes - after.value.used_bytes, after.origin)


def freed_data(before: Reading[SpaceReading], after: Reading[SpaceReading]) -> Size:
    """How far the data bytes of a btrfs fell; not applicable elsewhere."""
    if isinstance(before, Unavailable):
        return before
    if isinstance(after, Unavailable):
        return after
    first, last = before.value.data_bytes, after.value.data_bytes
    if first is None or last is None:
        return Unavailable(Why.NOT_APPLICABLE, "data and metadata are one figure here", after.origin)
    if isinstance(first, Unavailable):
        return first
    return Exact(first.value - last.value, last.origin) if isinstance(last, Exact) else last


def flush(mountpoint: str) -> str:
    """Write back what is dirty, so that the first figure counts it; "" or why that was not possible."""
    done = deadline.read("apply.flush", f"syncfs {mountpoint}", lambda: _flush(Path(mountpoint)), timeout_s=_COMMIT_S)
    return f"the filesystem could not be flushed: {done.detail}" if isinstance(done, Unavailable) else ""


def settle(mountpoint: str, timeout_s: float, stuck: set[int], waiting: Callable[[int, int], bool]) -> str:
    """Flush, and wait until what was removed has really come free; "" or what is still to come.

    `waiting(left, total)` is told how many dropped subvolumes are left and may give up (False). Those that do not move
    (a process has a file in them open) are added to `stuck` and not waited for again.
    """
    path = Path(mountpoint)
    flushed = deadline.read("apply.flush", f"syncfs {mountpoint}", lambda: _flush(path), timeout_s=_COMMIT_S)
    if isinstance(flushed, Unavailable):
        return f"the filesystem could not be flushed: {flushed.detail}"
    if flushed.value.later:
        return _cleaned(path, flushed.value, timeout_s, stuck, waiting)
    return _steady(mountpoint, min(timeout_s, _STEADY_AT_MOST_S))


def _cleaned(path: Path, kind: AtOnce, timeout_s: float, stuck: set[int], waiting: Callable[[int, int], bool]) -> str:
    ends = time.monotonic() + timeout_s
    try:
        first = left = kind.pending(path) - stuck
        seen, moved_at = _progress(path, left), time.monotonic()
        while left:
            if time.monotonic() >= ends:
                return f"{len(left)} deleted subvolumes still wait for the cleaner"
            if time.monotonic() - moved_at > _STUCK_S:
                stuck |= left
                return f"{len(left)} deleted subvolumes stay for now: something in them is still open"
            if not waiting(len(left), len(first)):
                return f"not waited for: {len(left)} deleted subvolumes"
            time.sleep(_POLL_S)
            left = kind.pending(path) & first
            now = _progress(path, left)
            if now != seen:
                seen, moved_at = now, time.monotonic()
        kind.commit(path)  # what the cleaner freed counts once its transaction is in
        return ""
    except Declined:
        return _steady(str(path), min(timeout_s, _STEADY_AT_MOST_S))
    except OSError as error:
        return f"the cleaner could not be waited for: {error.strerror}"


def _progress(path: Path, left: frozenset[int]) -> tuple[int, int]:
    """Changes while the cleaner works, even while it is at one large subvolume."""
    found = os.statvfs(path)
    return len(left), found.f_bfree


def _steady(mountpoint: str, timeout_s: float) -> str:
    """Some stores free in the background (containerd's collector): until the figure rests."""
    ends = time.monotonic() + timeout_s
    last = read_fill(mountpoint)
    since = time.monotonic()
    while time.monotonic() < ends:
        time.sleep(_POLL_S)
        now = read_fill(mountpoint)
        if isinstance(last, Exact) and isinstance(now, Exact) and now.value.used_bytes == last.value.used_bytes:
            if time.monotonic() - since >= _STEADY_S:
                return ""
        else:
            last, since = now, time.monotonic()
    return ""


def _fill(path: Path) -> SpaceReading:
    found = os.statvfs(path)
    unit = found.f_frsize
    return SpaceReading(
        used_bytes=(found.f_blocks - found.f_bfree) * unit,
        available_bytes=found.f_bavail * unit,
        read_only=bool(found.f_flag & os.ST_RDONLY),
        data_bytes=_data(path),
    )


def _data(path: Path) -> Reading[int] | None:
    origin = Origin("apply.data", f"SPACE_INFO {path}", datetime.now(UTC), 0.0)
    try:
        found = freeing(path).data_bytes(path)
    except (OSError, ValueError) as error:
        return Unavailable(*deadline.reason(error), origin)
    return None if found is None else Exact(found, origin)


def _flush(path: Path) -> AtOnce:
    """Write back; and how what was removed comes free here."""
    kind = freeing(path)
    kind.commit(path)
    return kind
