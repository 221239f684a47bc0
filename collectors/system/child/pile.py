"""The unlinked files that were found, each inode once, and no more of them than can be handed on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from collectors.system.child.statx import Status

    # process, path or b"", how many files, device, inode or 0, blocks of 512 bytes, apparent bytes, mount
    Record: TypeAlias = tuple[int, bytes, int, str, int, int, int, int]

_ONE_BY_ONE = 10_000
_LARGE_BLOCKS = 2048  # beyond that many, only files of 1 MiB and more keep their name


class Pile:
    """Of what is small and too many only the sum is kept, per process and mount."""

    def __init__(self) -> None:
        self._met: set[tuple[str, int]] = set()
        self._records: list[Record] = []
        self._rest: dict[tuple[int, str, int], list[int]] = {}
        self._named = 0

    def add(self, pid: int, path: bytes, status: Status) -> None:
        """Take one file in, unless it was met before: in another process, or by another descriptor."""
        identity = (status.device, status.inode)
        if identity in self._met:
            return
        self._met.add(identity)
        limit = _ONE_BY_ONE if status.blocks < _LARGE_BLOCKS else 2 * _ONE_BY_ONE
        if self._named < limit:
            self._named += 1
            where = (status.device, status.inode, status.blocks, status.apparent, status.mount)
            self._records.append((pid, path, 1, *where))
            return
        rest = self._rest.setdefault((pid, status.device, status.mount), [0, 0, 0])
        rest[0] += 1
        rest[1] += status.blocks
        rest[2] += status.apparent

    def take(self) -> list[Record]:
        """What came since the last call."""
        taken = self._records + [
            (pid, b"", count, device, 0, blocks, apparent, mount)
            for (pid, device, mount), (count, blocks, apparent) in self._rest.items()
        ]
        self._records, self._rest = [], {}
        return taken
