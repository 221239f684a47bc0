"""The child's own start: lower its priority, die with its parent, do one task, say how it ended."""

from __future__ import annotations

import ctypes
import marshal
import os

from collectors.system.child.frames import send

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from typing import Any

REQUEST = 0  # a memory file that holds the marshalled request
LAST_FD = 5  # 0 request, 1 answers, 2 nothing, 3 to 5 what walkers share

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9  # the signal module would build its enumerations first: 5 ms
_NICENESS = 10  # the kernel derives a low I/O priority from it as well


def main() -> None:
    """Run the task that the request names. Never returns."""
    try:
        request = _request()
        _settle(request["parent"])
        _task(request)
        send(("done",))
    except BrokenPipeError:
        os._exit(1)  # nobody is left to tell
    except OSError as error:
        send(("failed", error.errno or 0, os.fsencode(error.filename or "")))
    except BaseException as error:  # noqa: BLE001 - the parent calls it a defect
        send(("defect", repr(error)))
    os._exit(0)


def _request() -> dict[str, Any]:
    with open(REQUEST, "rb", closefd=False) as source:
        request: dict[str, Any] = marshal.loads(source.read())
    return request


def _settle(parent: int) -> None:
    # A descriptor that a caller's shell left open, held by a child that hangs, would keep its reader waiting.
    os.closerange(LAST_FD + 1, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    os.nice(_NICENESS)
    os.chdir("/")  # a child that hangs holds no other folder


def _task(request: dict[str, Any]) -> None:
    # Imported here, so that a small question does not load the walker.
    match request["task"]:
        case "statvfs":
            from collectors.system.child import questions

            questions.statvfs(request)
        case "walk":
            from collectors.system.child import walker

            walker.run(request)
        case "open files":
            from collectors.system.child import openfiles

            openfiles.run(request)
        case "still there":
            from collectors.system.child import questions

            questions.still_there(request)
        case "read":
            from collectors.system.child import questions

            questions.read_device(request)
        case "geometry":
            from collectors.system.child import questions

            questions.xfs_geometry(request)
        case other:
            raise ValueError(f"no such task: {other}")
