"""Where somebody may come in between: at each request of a run and at each answer, and at each step on the disk.

Requests are seen by a proxy before the engine, which holds them as long as it likes. Steps on the disk are the system
calls that the code makes which removes things, seen by the interpreter's own profiler: nobody has to list them.
"""

from __future__ import annotations

import contextlib
import http.client
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any

from collectors import reclaim
from tests.adversary.world import World
from tests.fakes.server import Action, Reply, Request, Reset, Server

_COLLECTORS = Path(reclaim.__file__).parents[1]
# Whose calls are steps of a removal; what they call to look at the whole store again counts as one.
_REMOVING = frozenset(
    str(path)
    for path in (
        _COLLECTORS / "reclaim/tree.py",
        _COLLECTORS / "reclaim/preconditions.py",
        *(_COLLECTORS / "causes").glob("*/remove.py"),
    )
)
_THROUGH_CTYPES = frozenset({"entry_facts", "open_directory", "mounts", "destroy", "is_subvolume", "read_again"})
_MODULES = frozenset({"posix", "fcntl"})
# They look at nothing and change nothing that a name leads to.
_HARMLESS = frozenset({"close", "fstat", "fspath", "geteuid", "getpid", "WIFEXITED", "unsetenv", "putenv"})
_STDLIB = ("pathlib.py", "genericpath.py", "glob.py", "posixpath.py", "os.py")


class Where(StrEnum):
    """What kind of boundary."""

    REQUEST = "request"  # it is under way, the engine has not seen it
    ANSWER = "answer"  # the engine has answered, the run does not know yet
    DISK = "disk"  # just before a system call


@dataclass(frozen=True, slots=True)
class Boundary:
    """The `number`-th of its kind in a run that nobody disturbs, from 0; `name` says what is called or asked."""

    where: Where
    number: int
    name: str


@dataclass
class Gate:
    """Lets everything pass, remembers it, and at one boundary lets somebody else act first."""

    at: Boundary | None = None
    act: Callable[[], bool] = lambda: False
    passed: list[Boundary] = field(default_factory=list)
    fired: bool = False

    def reach(self, where: Where, name: str) -> bool:
        """True: what was under way here is lost."""
        here = Boundary(where, sum(one.where is where for one in self.passed), name)
        self.passed.append(here)
        if self.at is None or self.fired or (here.where, here.number) != (self.at.where, self.at.number):
            return False
        self.fired = True
        return self.act()


def proxy(world: World, gate: Gate) -> Server:
    """In front of the lab's engine, until it is denied: then like a plugin that allows nothing any more."""

    def answer(request: Request) -> Action:
        name = f"{request.method} {_short(request.path)}"
        if gate.reach(Where.REQUEST, name):
            return Reset()
        if world.denied:
            return Reply(b'{"message":"authorization denied by plugin"}', status=403)
        try:
            given = world.api.ask(request.method, request.path, dict(request.query), tar=request.body)
        except (OSError, http.client.HTTPException):
            return Reset()
        if gate.reach(Where.ANSWER, name):
            return Reset()
        return Reply(given.body, status=given.status, content_type=given.content_type)

    return Server(answer)


def _short(path: str) -> str:
    """`/v1.41/images/sha256:12…/json` as `/images/*/json`: the same for each run."""
    parts = [part for part in path.split("/") if part and not part.startswith("v1.")]
    fixed = ("json", "tag", "prune", "df", "load")
    return "/" + "/".join(part if not n or part in fixed else "*" for n, part in enumerate(parts))


@contextlib.contextmanager
def disk(gate: Gate) -> Iterator[None]:
    """System calls of this thread are steps while in here."""

    def profile(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            if called.__module__ in _MODULES and called.__name__ not in _HARMLESS and _removes(frame):
                gate.reach(Where.DISK, called.__name__)
        elif event == "call" and frame.f_code.co_name in _THROUGH_CTYPES and _removes(frame.f_back):
            gate.reach(Where.DISK, frame.f_code.co_name)
        elif event == "return" and frame.f_code.co_name == "read_again":
            gate.reach(Where.DISK, "proved")

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def _removes(frame: FrameType | None) -> bool:
    """Is it called by code that removes, at most through the standard library?"""
    while frame is not None and frame.f_code.co_filename.endswith(_STDLIB):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename in _REMOVING and frame.f_code.co_name != "read_again"
