"""Work that one walker hands to another when the other has nothing left. Refuses to wait for anybody who is gone.

A pipe in packet mode carries the work, one page of shared memory says who wants some. Nothing is lost in a race: what a
walker put into the pipe it finds there itself before it leaves.
"""

from __future__ import annotations

import marshal
import mmap
import os
import select

TAKE, GIVE, STATES = 3, 4, 5  # descriptors
GONE, BUSY, HUNGRY = 0, 1, 2
_WAIT_MS = 2
_PACKET_BYTES = 4096  # PIPE_BUF: more would not be one packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
