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
_GONE, _BUSY, _HUNGRY = 0, 1, 2
_WAIT_MS = 2
_PACKET_BYTES = 4096  # PIPE_BUF: more would not be one packet

Item = tuple[str, int, bool]  # path below the root, index of the unit, whether it is the unit's root


class Pool:
    """This walker's side. There are two walkers, 0 and 1."""

    def __init__(self, lane: int) -> None:
        self._states = mmap.mmap(STATES, mmap.PAGESIZE)
        self._mine, self._other = lane, 1 - lane
        self._states[lane] = _BUSY

    def wanted(self) -> bool:
        """Whether the other walker has nothing to do."""
        return self._states[self._other] == _HUNGRY

    def give(self, item: Item) -> bool:
        """Hand over; False where it does not fit."""
        packet = marshal.dumps(item)
        if len(packet) > _PACKET_BYTES:
            return False
        try:
            os.write(GIVE, packet)
        except BlockingIOError:
            return False
        self._states[self._other] = _BUSY
        return True

    def take(self) -> Item | None:
        """Work from the other walker; waits while it may still come. None: there will be none."""
        poll = select.poll()
        poll.register(TAKE, select.POLLIN)
        while True:
            self._states[self._mine] = _BUSY
            try:
                item: Item = marshal.loads(os.read(TAKE, _PACKET_BYTES))
            except BlockingIOError:
                self._states[self._mine] = _HUNGRY
            else:
                return item
            if self._states[self._other] != _BUSY and not poll.poll(0):
                self._states[self._mine] = _GONE
                return None
            poll.poll(_WAIT_MS)
