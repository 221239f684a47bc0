"""How walkers go about one filesystem: opening directories without leaving it, and sharing the work.

Work that one walker hands to another when the other has nothing left. Refuses to wait for anybody who is gone.

A pipe in packet mode carries the work, one page of shared memory says who wants some. Nothing is lost in a race: what a
walker put into the pipe it finds there itself before it leaves.

Opening directories of one filesystem without ever leaving it.

Where the kernel allows it (CAP_SYS_ADMIN, Linux ≥ 5.2) the walk runs in a detached copy of the one mount, which no
other mount covers: nothing below a mountpoint is hidden, a dead mount in the way is never touched, and nothing has to
be skipped. Elsewhere the paths of the mount table are skipped, and what they hide stays unseen. Refuses symbolic links
in every component of a path.
"""

from __future__ import annotations

import ctypes
import marshal
import mmap
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from collections.abc import Callable

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
