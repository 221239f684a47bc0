"""What went wrong on the way to an engine, as a reason and one sentence. Refuses to know a library by import.

The SDK lets raw `requests` exceptions through, which wrap urllib3's, which wrap the error of the system call. So the
whole chain is searched, for what the system said first, and for a library's class by its name last.
"""

from __future__ import annotations

import errno
import grp
import http.client
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from collectors.engine.reply import Busy, HungUp
from collectors.model.reading import Why
from collectors.system.deadline import Declined

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
            return Busy(Why.TIMED_OUT, f"{place} accepts no connection: its engine is stopped or overrun")
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
