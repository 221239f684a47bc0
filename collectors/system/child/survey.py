"""Before the walk: where each unit's root lies in the tree, which of them the cache still knows, what mounts cover."""

from __future__ import annotations

import errno
import os
import stat

from collectors.system.child import DIRECTORY, open_below
from collectors.system.child.tally import UnitTally, evidence_of, note

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from typing import Any, TypeAlias

    from collectors.system.child import Item
    from collectors.system.child.ext4_tables import InodeFigures
    from collectors.system.child.inodes import InodeProofs, Proof
    from collectors.system.child.tally import Evidence

    Before: TypeAlias = tuple[Evidence, list[Proof]]
    # name of a file → index of the unit that it is, or LEAVE
    Special: TypeAlias = dict[str, int]

LEAVE = -1  # in `KnownInodes.special`: a name that another mount covers
_SUBVOLUME_INODE = 256  # of the root of each, on btrfs


class KnownInodes:
    """What the walkers know of the tree. Inodes are named by keys: the device of a subvolume is part of it."""

    def __init__(
        self, device: int, host: int, immutable: frozenset[int], rotated: frozenset[int], subvolumes: bool
    ) -> None:
        self.device = device
        self.host = host
        self.immutable = immutable
        self.rotated = rotated  # units that are a file together with those that it was rotated to
        self.subvolumes = subvolumes
        self.figures: InodeFigures | None = None  # of files that need not be asked for theirs
        self.listed: dict[int, int] = {}  # roots of units that are walked by themselves: not entered from above
        self.met: dict[int, int] = {}  # roots of units that no plain path leads to: walked where they are met
        self.special: dict[int, Special] = {}  # directories that hold units that are files, or covered names
        self.covered: set[int] = set()  # directories that another mount hides from everybody else

    def key(self, status: os.stat_result) -> int:
        """An inode's identity as one number."""
        return status.st_ino if status.st_dev == self.device else status.st_dev << 64 | status.st_ino

    def ours(self, status: os.stat_result) -> bool:
        """Whether a directory belongs to this filesystem, where nothing but its device tells."""
        return status.st_dev == self.device or (self.subvolumes and status.st_ino == _SUBVOLUME_INODE)

    def unit_of(self, special: Special, name: str) -> int | None:
        """The unit that the file `name` is (`x.log`) or was rotated from (`x.log.1`, `x.log.2.gz`)."""
        index = special.get(name)
        stem = name
        while index is None and "." in stem:
            stem = stem.rpartition(".")[0]
            index = special.get(stem)
            if index is not None and index not in self.rotated:
                return None
        return index

    def plain(self) -> tuple[object, ...]:
        """What a second walker has to be told."""
        return self.listed, self.met, self.special, self.covered

    def learn(self, plain: tuple[Any, ...]) -> None:
        """The other side of `plain`."""
        self.listed, self.met, self.special, self.covered = plain


class Survey:
    """Looks up every unit once, then settles which of them still are as the cache has them.

    After that `items` are to be walked, and the others are answered.
    """

    def __init__(self, root: int, known: KnownInodes, proofs: InodeProofs | None) -> None:
        self.items: list[Item] = []
        self.kept: list[int] = []  # the cache's figures still hold
        self.gone: list[int] = []  # nothing is there any more
        self.same: list[tuple[int, int]] = []  # unit, and the earlier unit that is the same directory
        self.failed: list[UnitTally] = []
        self.all_by_tree = True  # no unit lies where only a link leads
        self._unproved: list[tuple[Item, list[Proof]]] = []
        self._root = root
        self._known = known
        self._proofs = proofs
        self._folder = (root, "")  # the parent of the unit before: mostly the next one's too

    def unit(self, index: int, path: bytes, below: bytes | None, before: Before | None) -> None:
        """Find one unit: by `below`, its path in the tree, else where `path` leads. `before`: what the cache says."""
        try:
            if below is None or not self._by_tree(index, os.fsdecode(below), before):
                self._by_path(index, path)
        except FileNotFoundError:
            self.gone.append(index)
        except OSError as error:
            tally = UnitTally(index, folds=False)
            note(tally.errors, error.errno, path)
            self.failed.append(tally)

    def part(self, index: int, below: str, before: Before | None) -> None:
        """A part of what lies in no unit. One that cannot be opened is walked with the rest."""
        try:
            fd = open_below(self._root, below)
        except OSError:
            return
        try:
            status = os.fstat(fd)
            if self._known.listed.setdefault(self._known.key(status), index) != index:
                return
            self._sort((below, index, True), fd, status, before)
        except OSError:
            return
        finally:
            os.close(fd)

    def _by_tree(self, index: int, below: str, before: Before | None) -> bool:
        folder, _, name = below.rpartition("/")
        parent = self._parent(folder)
        if parent is None:
            return False
        try:
            fd = os.open(name or ".", DIRECTORY, dir_fd=parent)
        except NotADirectoryError:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return False
            special = self._known.special.setdefault(self._known.key(os.fstat(parent)), {})
            self._claim(index, special.setdefault(name, index))
            return True
        try:
            status = os.fstat(fd)
            if not self._claim(index, self._known.listed.setdefault(self._known.key(status), index)):
                return True
            self._sort((below, index, True), fd, status, before)
        finally:
            os.close(fd)
        return True

    def _sort(self, item: Item, fd: int, status: os.stat_result, before: Before | None) -> None:
        """Put a unit or part where it belongs, as far as its own directory tells."""
        if before is None or evidence_of(fd, status) != before[0]:
            self.items.append(item)
        elif before[1]:
            self._unproved.append((item, before[1]))
        else:
            self.kept.append(item[1])

    def settle(self) -> None:
        """Read the proofs of all that were looked up: together, since that is most of the work of a quiet run."""
        unproved = self._unproved
        before = [proof for _, several in unproved for proof in several]
        holding = iter([] if self._proofs is None else self._proofs.holding(before))
        for item, several in unproved:
            if all([next(holding, False) for _ in several]):  # each takes its own, whatever the others say
                self.kept.append(item[1])
            else:
                self.items.append(item)
        unproved.clear()

    def _by_path(self, index: int, path: bytes) -> None:
        status = os.stat(path)
        self.all_by_tree = False
        if stat.S_ISDIR(status.st_mode):
            self._claim(index, self._known.met.setdefault(self._known.key(status), index))
        else:
            folder = os.stat(os.path.dirname(path))
            special = self._known.special.setdefault(self._known.key(folder), {})
            self._claim(index, special.setdefault(os.fsdecode(os.path.basename(path)), index))

    def _claim(self, index: int, holder: int) -> bool:
        if holder != index:
            self.same.append((index, holder))
        return holder == index

    def _parent(self, folder: str) -> int | None:
        """A descriptor of the unit's parent directory; None where a link lies on the way."""
        fd, path = self._folder
        if path == folder:
            return fd
        try:
            fd = open_below(self._root, folder)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        if self._folder[0] != self._root:
            os.close(self._folder[0])
        self._folder = (fd, folder)
        return fd

    def mountpoint(self, below: str, whole: bool) -> None:
        """Another mount lies on this path: its directory is named apart, or, if we would fall into it, left alone."""
        folder, _, name = below.rpartition("/")
        try:
            if whole:
                fd = open_below(self._root, below)
                self._known.covered.add(self._known.key(os.fstat(fd)))
            else:
                fd = open_below(self._root, folder)
                self._known.special.setdefault(self._known.key(os.fstat(fd)), {})[name] = LEAVE
            os.close(fd)
        except OSError:
            return  # a file, or gone
