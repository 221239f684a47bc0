"""One of the processes that walk a filesystem: takes the request, reports as it goes, stops in time by itself."""

from __future__ import annotations

import os
from time import monotonic

from collectors.system.child import TimeUp, open_below, open_root, send
from collectors.system.child.descent import Descent
from collectors.system.child.ext4_tables import open_figures, open_tables, settled_before
from collectors.system.child.inodes import InodeProofs, open_bulk
from collectors.system.child.survey import KnownInodes, Survey
from collectors.system.child.tally import Scale, WalkerTotals, under_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from collectors.system.child import Item, Pool

_REPORT_S = 0.2  # what a killed walker had counted since is lost
_ALONE_S = 0.03  # a walk that takes longer than this is worth a second process
_LARGE_SHARE = 2000  # a directory or file has a name of its own from this part of what is used
_LARGE_LEAST_BLOCKS = 128
_GIVE_MAX = 64


def run(request: dict[str, Any]) -> None:
    """Walk. Frames, as `WalkResult.take` knows them: found, part…, end; ("more", known) asks for a second walker."""
    Walker(request).run()


class Walker:
    """`request`: see targets.py, which makes it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._lane: int = request["lane"]
        self._stop_at: float = request["stop_at"]
        self._root, self._whole = open_root(request["mountpoint"])
        status, room = os.fstat(self._root), os.fstatvfs(self._root)
        self._known = KnownInodes(
            status.st_dev,
            len(request["units"]),
            frozenset(request["immutable"]),
            frozenset(request["rotated"]),
            request["subvolumes"],
        )
        self._root_key = self._known.key(status)
        self._fsid = room.f_fsid
        used_blocks = (room.f_blocks - room.f_bfree) * room.f_frsize // 512
        # Only with a whole view: else a mount may hide a part of what was counted, or show more.
        device = request["device"] if self._whole else None
        tables = None if device is None else open_tables(*device)
        self._proofs: InodeProofs | None = None if tables is None else tables.proofs()
        if request["bulk"] and self._whole:
            self._proofs = open_bulk(self._root)
        # How much there is of either: whoever names the largest weighs them by it.
        self._room = room.f_blocks * room.f_frsize // 512, room.f_files
        used_inodes = room.f_files - room.f_ffree
        scale = Scale(max(_LARGE_LEAST_BLOCKS, used_blocks // _LARGE_SHARE), -(-used_inodes // _LARGE_SHARE))
        self._books = WalkerTotals(self._known.host, scale, frozenset(request["tracked"]), self._proofs)
        self._same = request["fsid"] == self._fsid
        self._settled = request["settled"] if self._same else (0, 0)
        if device is not None and tables is not None:
            settled, self._settled = settled_before(device[1], self._settled)
            self._known.figures = open_figures(tables, settled, scale.blocks)
        self._descent = Descent(self._root, self._whole, self._known, self._books)
        self._descent.wake = self._wake
        self._todo: list[Item] = []
        self._pool: Pool | None = None
        self._reported_at = monotonic()

    def run(self) -> None:
        """Until there is nothing left or time is up."""
        if self._lane == 0:
            self._look_around()
            self._descent.wake_at = min(self._stop_at, monotonic() + _ALONE_S)
        else:
            self._known.learn(self._request["known"])
            self._share()
        clean = True
        try:
            while (item := self._next()) is not None:
                self._descent.walk(item)
        except TimeUp:
            clean = False
        self._report()
        if clean:
            for tally in self._books.open.values():
                self._books.prove(tally)
        rest = [tally.plain() for tally in (*self._books.open.values(), self._books.host)]
        send(("end", clean, rest, under_way(self._descent.bottom)))

    def _look_around(self) -> None:
        survey = Survey(self._root, self._known, self._proofs)
        kept, kept_parts = (self._request["kept"], self._request["kept_parts"]) if self._same else ({}, {})
        for path in self._request["covered"]:
            survey.mountpoint(os.fsdecode(path), self._whole)
        for index, place in enumerate(self._request["units"]):
            if place is not None:
                path, below = place
                survey.unit(index, path, below, kept.get(index))
        parts = self._parts() if survey.all_by_tree else []
        for position, path in enumerate(parts, 1):
            before = kept_parts.get(os.fsencode(path))
            survey.part(self._known.host + position, path, before)
        survey.settle()
        # Taken from the end: layers that can be remembered first, the host's own files last.
        self._todo = sorted(survey.items, key=self._urgency)
        if self._root_key not in self._known.listed:
            self._todo.insert(0, ("", self._known.host, True))
        self._books.finished += survey.failed
        found = survey.kept, survey.gone, survey.same, [os.fsencode(path) for path in parts]
        send(("found", self._whole, self._fsid, self._settled, self._room, *found))

    def _parts(self) -> list[str]:
        """Of the host's own files, where they can be remembered, and where it is known by path what lies in units."""
        if self._proofs is None or self._root_key in self._known.listed:
            return []
        places = [place[1] for place in self._request["units"] if place is not None and place[1] is not None]
        return find_parts(self._root, map(os.fsdecode, (*places, *self._request["covered"])))

    def _urgency(self, item: Item) -> int:
        return -1 if item[1] > self._known.host else item[1] in self._known.immutable

    def _next(self) -> Item | None:
        if self._todo:
            return self._todo.pop()
        return self._pool.take(self._wake) if self._pool is not None else None

    def _wake(self) -> None:
        now = monotonic()
        if now >= self._stop_at:
            raise TimeUp
        if self._pool is None and self._request["helper"]:
            self._share()
            send(("more", self._known.plain()))
        if now >= self._reported_at + _REPORT_S:
            self._report()
        self._descent.wake_at = min(self._stop_at, self._reported_at + _REPORT_S)

    def _share(self) -> None:
        from collectors.system.child import Pool  # short walks need none

        self._pool = Pool(self._lane)
        self._descent.spare = self._spare

    def _spare(self) -> None:
        """Give away whole units first, the host's files before them, then directories close to the root."""
        pool, descent = self._pool, self._descent
        if pool is None or not pool.wanted():
            return
        if self._todo:
            if pool.give(self._todo[0]):
                del self._todo[0]
            return
        level, top = descent.bottom, None
        while level is not None:
            top = level if level.names else top
            level = level.above
        if top is None:
            return
        path = top.path()
        for _ in range(min(_GIVE_MAX, -(-len(top.names) // 2))):
            if not pool.give((f"{path}/{top.names[-1]}".lstrip("/"), top.tally.index, False)):
                return
            top.names.pop()
            top.tally.shared = True

    def _report(self) -> None:
        books = self._books
        finished = [tally.plain() for tally in books.finished]
        units = [tally for tally in books.open.values() if not tally.folds]
        begun = [(tally.index, tally.blocks, tally.apparent, tally.inodes) for tally in units]
        send(("part", finished, books.host.rows, begun, under_way(self._descent.bottom)))
        books.finished, books.host.rows = [], []
        self._reported_at = monotonic()


_DEPTH = 2
_MOST = 2000  # with more, looking at each costs as much as it saves


def find_parts(root: int, places: Iterable[str]) -> list[str]:
    """Paths below the root of the parts; none at all where there would be too many.

    `places` are the paths of units and of directories that mounts cover.
    """
    taken = set(places)
    on_the_way = {""}
    for place in taken:
        while place:
            place = place.rpartition("/")[0]
            on_the_way.add(place)
    found: list[str] = []
    fringe = [("", 0)]
    while fringe and len(found) <= _MOST:
        path, depth = fringe.pop()
        for name in _folders(root, path):
            below = f"{path}/{name}" if path else name
            if below in taken:
                continue
            if below in on_the_way or depth + 1 < _DEPTH:
                fringe.append((below, depth + 1))
            else:
                found.append(below)
    return found if len(found) <= _MOST else []


def _folders(root: int, path: str) -> list[str]:
    """Directories in a directory; none where it cannot be read: what it holds is then walked with the rest."""
    try:
        fd = open_below(root, path)
    except OSError:
        return []
    try:
        with os.scandir(fd) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    finally:
        os.close(fd)
