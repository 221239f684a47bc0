"""What runs in the child process that can be killed, how it answers, and how it opens directories.

Only the standard library and this folder may be imported here: the child starts in milliseconds because it loads
nothing else, and a folder of its own keeps that visible. It sends plain figures, and the parent makes readings of them.
Names travel as bytes. An answer is frames of plain values through a pipe, each behind its length: by `marshal`, because
it is built in, quick, and only ever meets the same interpreter on the other side.

Directories of one filesystem are opened without ever leaving it, symbolic links refused in every component. Where the
kernel allows it (CAP_SYS_ADMIN, Linux ≥ 5.2) the walk runs in a detached copy of the one mount, which no other mount
covers: nothing below a mountpoint is hidden, a dead mount in the way is never touched, and nothing has to be skipped.
Elsewhere the paths of the mount table are skipped, and what they hide stays unseen.

Work that one walker hands to another goes through a pipe in packet mode; one page of shared memory says who wants some.
Nothing is lost in a race: what a walker put into the pipe it finds there itself before it leaves.
"""

from __future__ import annotations

import ctypes
import marshal
import mmap
import os
import select
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from collections.abc import Callable

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Frame: TypeAlias = tuple[Any, ...]

PACKAGE = "collectors.system"
# How the helper begins, given the folder that `collectors` lies in. The packages above `child` are entered without
# running their __init__, which would load all of the models: that alone takes longer than most questions.
BOOT = f"""
import sys
path, name = sys.argv[1], ""
for part in "{PACKAGE}".split("."):
    path, name = path + "/" + part, name + "." + part if name else part
    module = sys.modules[name] = type(sys)(name)
    module.__path__ = [path]
from {PACKAGE}.child.main import serve
serve()
"""
MESSAGE, REPLY = struct.Struct("<i"), struct.Struct("<id")  # to the helper and back: see `main.serve`

HEAD_BYTES = 4
ANSWER = 1  # the descriptor that frames are written to


class TimeUp(Exception):
    """What was asked for is not whole, and has to be sent as it is."""


def send(frame: Frame, fd: int = ANSWER) -> None:
    """Write one frame. Raises BrokenPipeError when the parent is gone."""
    body = marshal.dumps(frame)
    rest = memoryview(len(body).to_bytes(HEAD_BYTES, "little") + body)
    while rest:
        rest = rest[os.write(fd, rest) :]


def split(buffer: bytearray) -> list[Frame]:
    """Take the whole frames off the front of `buffer`. A torn one at the end stays: its sender was killed."""
    frames: list[Frame] = []
    begin = 0
    while begin + HEAD_BYTES <= len(buffer):
        end = begin + HEAD_BYTES + int.from_bytes(buffer[begin : begin + HEAD_BYTES], "little")
        if end > len(buffer):
            break
        frames.append(marshal.loads(memoryview(buffer)[begin + HEAD_BYTES : end]))
        begin = end
    del buffer[:begin]
    return frames


def space(path: bytes) -> tuple[int, ...]:
    """How much room a filesystem has: fsid, frsize, blocks, bfree, bavail, files, ffree, favail, flag of statvfs."""
    answer = os.statvfs(path)
    return (
        answer.f_fsid,
        answer.f_frsize,
        answer.f_blocks,
        answer.f_bfree,
        answer.f_bavail,
        answer.f_files,
        answer.f_ffree,
        answer.f_favail,
        answer.f_flag,
    )


TAKE, GIVE, STATES = 3, 4, 5  # descriptors
GONE, BUSY, HUNGRY = 0, 1, 2
_WAIT_MS = 2
_PACKET_BYTES = 4096  # PIPE_BUF: more would not be one packet


Item = tuple[str, int, bool]  # path below the root, index of the unit, whether it is the unit's root


class Pool:
    """This walker's side. There are two walkers, 0 and 1."""

    def __init__(self, lane: int) -> None:
        self._states = mmap.mmap(STATES, mmap.PAGESIZE)
        self._mine, self._other = lane, 1 - lane
        self._poll = select.poll()
        self._poll.register(TAKE, select.POLLIN)
        self._states[lane] = BUSY

    def wanted(self) -> bool:
        """Whether the other walker has nothing to do."""
        # What was given and not yet taken is enough for now.
        return self._states[self._other] == HUNGRY and not self._poll.poll(0)

    def give(self, item: Item) -> bool:
        """Hand over; False where it does not fit."""
        packet = marshal.dumps(item)
        if len(packet) > _PACKET_BYTES:
            return False
        try:
            os.write(GIVE, packet)
        except BlockingIOError:
            return False
        return True

    def take(self, pause: Callable[[], None]) -> Item | None:
        """Work from the other walker; waits while it may still come. None: there will be none.

        `pause` is called while it waits, and may raise to stop.
        """
        while True:
            self._states[self._mine] = BUSY
            try:
                item: Item = marshal.loads(os.read(TAKE, _PACKET_BYTES))
            except BlockingIOError:
                self._states[self._mine] = HUNGRY
            else:
                return item
            if self._states[self._other] != BUSY and not self._poll.poll(0):
                self._states[self._mine] = GONE
                return None
            self._poll.poll(_WAIT_MS)
            pause()


DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_THROUGH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_SYS_OPEN_TREE = 428  # the same on every architecture that Docker runs on
_OPEN_TREE_CLONE = 1
_AT_FDCWD = -100


def open_root(mountpoint: bytes) -> tuple[int, bool]:
    """A descriptor of the root that is mounted at `mountpoint`, and whether no mount hides anything below it."""
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    copy = call(_SYS_OPEN_TREE, _AT_FDCWD, mountpoint, _OPEN_TREE_CLONE | os.O_CLOEXEC)
    if copy < 0:
        return os.open(mountpoint, DIRECTORY), False
    try:
        return os.open(".", DIRECTORY, dir_fd=copy), True
    finally:
        os.close(copy)


def open_below(root: int, path: str) -> int:
    """Open the directory `path` below `root`. Raises OSError, also where a component is a link."""
    if not path:
        return os.open(".", DIRECTORY, dir_fd=root)
    *way, last = path.split("/")
    here = root
    try:
        for name in way:
            below = os.open(name, _THROUGH, dir_fd=here)
            if here != root:
                os.close(here)
            here = below
        return os.open(last, DIRECTORY, dir_fd=here)
    finally:
        if here != root:
            os.close(here)
