"""The way to an engine over a unix socket; and what went wrong on any way, as a reason and one sentence.

What is raised on the way wraps one another: the SDK's, requests', urllib3's, the error of the system call. So the whole
chain is searched, for what the system said first, and for a library's class by its name last: none is imported here.

A socket's own timeout starts anew with every byte, so it cannot hold against an engine that sends one a second. Every
connection is therefore known here, and `cut` shuts all of them from another thread: whoever reads, writes or waits on
one comes back at once. Sends whatever method it is told: who studies holds a `ReadClient`, and only that and
`WriteClient` may use this. Refuses to decode, to follow redirects, and to send anything twice.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import http.client
import json
import select
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from collectors.engine.reply import EngineBusy, HungUp
from collectors.model import dataclass
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

_TIMEOUTS = ("Timeout", "ConnectTimeout", "ReadTimeout", "ReadTimeoutError", "ConnectTimeoutError")
_CUT_SHORT = ("IncompleteRead", "ChunkedEncodingError", "InvalidChunkLength", "DecodeError", "ContentDecodingError")
_LIBRARIES = ("docker", "requests", "urllib3", "paramiko")
_LONGEST = 200


def named(error: BaseException, place: str) -> Declined:
    """The reason in an exception of the SDK, of requests or of a socket; `place` is where the engine was looked for.

    What none of them raised is handed back as it is: it is ours.
    """
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, Declined):
            return cause
        if isinstance(cause, TimeoutError) or type(cause).__name__ in _TIMEOUTS:
            return Declined(Why.TIMED_OUT, f"no answer from {place}")
    for cause in chain:
        if (found := _of_system(cause, place)) is not None:
            return found
    for cause in chain:
        if isinstance(cause, http.client.HTTPException) or type(cause).__name__ in _CUT_SHORT:
            if type(cause).__name__ in _CUT_SHORT:
                return Declined(Why.MALFORMED, f"the answer of {place} ended early")
            return Declined(Why.MALFORMED, f"{place} does not answer in HTTP: {_short(cause)}")
    module = type(error).__module__.partition(".")[0]
    if module in _LIBRARIES or isinstance(error, OSError):
        return Declined(Why.FAILED, f"asking {place} failed: {_short(chain[-1])}")
    raise error


def _of_system(cause: BaseException, place: str) -> Declined | None:
    match cause:
        case FileNotFoundError() | NotADirectoryError():
            return Declined(Why.NOT_REACHABLE, f"no socket at {place}: no engine runs there")
        case PermissionError():
            return Declined(Why.NOT_PERMITTED, f"no permission on {place}: {_remedy(place)}")
        case ConnectionRefusedError():
            return Declined(Why.NOT_REACHABLE, f"nobody listens at {place}: the engine is stopped")
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return HungUp(Why.FAILED, f"{place} closed the connection before its answer was complete")
        case socket.gaierror():
            return Declined(Why.NOT_REACHABLE, f"the host name of {place} is unknown: {cause.strerror}")
        case ssl.SSLError():
            return Declined(Why.FAILED, f"TLS with {place} failed: {cause.reason or cause}")
        case BlockingIOError():  # a socket whose queue of waiting connections is full
            return EngineBusy(Why.TIMED_OUT, f"{place} accepts no connection: its engine is stopped or overrun")
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN):
            return Declined(Why.NOT_REACHABLE, f"no way to {place}: {cause.strerror}")
        case OSError(errno=int() as number) if type(cause).__module__ == "builtins" and number:
            return Declined(Why.FAILED, f"asking {place} failed: {cause.strerror}")
        case _:
            return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it wraps, outermost first: causes, contexts, arguments, urllib3's `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, *cause.args, getattr(cause, "reason", None)]


def _remedy(place: str) -> str:
    """Who may use the socket, by its owner's group where that can be seen."""
    try:
        status = Path(place).stat()
        if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
            return "be root" if status.st_uid == 0 else f"be user {status.st_uid}"
        return f"be root or in group {grp.getgrgid(status.st_gid).gr_name}"
    except (OSError, KeyError):
        return "be root or in group docker"


def _short(cause: BaseException) -> str:
    return (str(cause) or type(cause).__name__)[:_LONGEST]


@contextlib.contextmanager
def told(place: str, is_cut: Callable[[], bool]) -> Iterator[None]:
    """What goes wrong inside as Declined or Malformed; as TimeoutError once the connection is cut."""
    try:
        yield
    except Exception as error:
        if is_cut():  # whatever it looks like from inside: we did it
            raise TimeoutError from error
        if isinstance(error, Declined | Malformed):
            raise
        raise named(error, place) from error
    if is_cut():  # half a status line, and then the end, reads as an answer without a body
        raise TimeoutError


PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """The head of an answer; its body is read by whoever asked, in pieces of at most so many bytes as they come."""

    status: int
    declared_bytes: str  # Content-Length as it was sent; "" where it was not
    pieces: Callable[[int], Iterator[bytes]]


def target(path: str) -> str:
    """A path as it stands in a request."""
    return quote(path, safe="/:@")


def refuse_packed(coding: str, place: str) -> None:
    """A few KiB may unpack to more than there is memory, piece by piece and before they are counted: Malformed."""
    if coding != "identity":
        raise Malformed(f"the answer of {place} is packed ({coding[:40]}), which it was asked not to be")


class _Line(http.client.HTTPConnection):
    """HTTP over one unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        # The library drops its own hold of it before the last answer is read.
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect(self) -> None:
        """Raises OSError."""
        self.sock = self._line
        self._line.settimeout(self.timeout)
        self._line.connect(self._path)

    @property
    def is_quiet(self) -> bool:
        """Whether the other side has neither gone nor said what nobody asked for."""
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        return not poll.poll(0)

    def wait_at_most(self, timeout_s: float) -> None:
        """From now on, for each piece."""
        self._line.settimeout(timeout_s)

    def shut(self) -> None:
        """End it under its readers."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)


class SocketConnection:
    """An engine at a unix socket, whose lines can be shut. Safe to use from several threads.

    By the standard library alone: the reason stands in `collectors.engine`.
    """

    def __init__(self, path: str) -> None:
        self.place = path
        self._lock = threading.Lock()
        self._idle: list[_Line] = []
        self._lines: set[_Line] = set()  # idle ones too
        self._is_cut = False

    @contextlib.contextmanager
    def answered(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        *,
        timeout_s: float,
        content: object = None,
        archive: bytes = b"",
    ) -> Iterator[Answered]:
        """The answer to one request, whatever its status, its body unread. `timeout_s` bounds each wait.

        What it carries: `content` as JSON, or `archive`, a tar as it is.

        Whatever goes wrong until the end of the block is raised as Declined, Malformed, or TimeoutError once cut.
        """
        body, headers = archive or None, {"Content-Type": "application/x-tar"} if archive else {}
        if content is not None:
            body, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
        with told(self.place, lambda: self._is_cut):
            line, answer = self._connected(timeout_s), None
            try:
                line.request(method, target(path) + (f"?{urlencode(query)}" if query else ""), body, headers)
                answer = line.getresponse()
                refuse_packed(answer.getheader("Content-Encoding", "identity"), self.place)
                yield Answered(answer.status, answer.getheader("Content-Length", ""), partial(_pieces, answer))
            finally:
                self._give_back(line, answer)

    def cut(self) -> None:
        """Shut every line, now and later. Returns at once."""
        with self._lock:
            self._is_cut = True
            lines = list(self._lines)
        for line in lines:
            line.shut()

    def close(self) -> None:
        """Give every line that nobody uses back to the system. Never raises."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._lines.difference_update(idle)
        for line in idle:
            line.close()

    def _connected(self, timeout_s: float) -> _Line:
        while (line := self._taken()) is not None:
            if line.is_quiet:
                line.wait_at_most(timeout_s)
                return line
            self._lines.discard(line)
            line.close()
        line = _Line(self.place, timeout_s)
        try:
            line.connect()
        except OSError:
            line.close()
            raise
        with self._lock:
            self._lines.add(line)
            too_late = self._is_cut
        if too_late:
            line.shut()
        return line

    def _taken(self) -> _Line | None:
        with self._lock:
            if self._is_cut:
                raise TimeoutError
            return self._idle.pop() if self._idle else None

    def _give_back(self, line: _Line, answer: http.client.HTTPResponse | None) -> None:
        """Keep a line for the next request where this one's answer was read to its end, or close it."""
        is_free = False
        if answer is not None:
            is_free = answer.length == 0 and not answer.will_close
            answer.close()
        with self._lock:
            if is_free and not self._is_cut:
                self._idle.append(line)
                return
            self._lines.discard(line)
        line.close()


def _pieces(answer: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """The body as it comes. Raises IncompleteRead where it ends early."""
    while piece := answer.read1(most):
        yield piece
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    answer.length = 0  # the library does not count chunks
