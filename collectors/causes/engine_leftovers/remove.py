"""Removing the engine's temporary files, and layer writes and removals that a crash cut short.

A temporary file must be open nowhere and untouched for long. The kernel is asked, not /proc, which may hide processes:
a write lease is only given where nobody else has the file open or mapped. Refuses names that are not the engine's, and
what cannot be asked about. What was cut short must still be so, and the engine stopped.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

from collectors.drivers.files import tree
from collectors.drivers.inner import engine_processes, temporary_folders
from collectors.drivers.leftovers import TEMPORARY, among_others
from collectors.model import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.reclaim import GONE, REMOVED, Act, failed, preconditions, skipped
from collectors.reclaim.tools import Remover, Tools
from collectors.reclaim.tree import remove_layer, remove_tree
from collectors.system.child.extents import lease

_TICK_S = 0.02  # the kernel dates changes by its last timer tick
_NOT_THE_ENGINES = "it is not a temporary file of the engine's"
_UNTOLD = "whether a process has it open cannot be told"


class Temporary(Remover):
    """Forgotten downloads and build contexts; the engine may run."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._folders: tuple[str, ...] = ()

    def before(self, step: Step) -> str:
        context = self._tools.context
        if context.docker_root is None:
            return "the Docker root is not known"
        beside = temporary_folders(context.host, engine_processes(context.host))
        self._folders = (f"{context.docker_root}/tmp", *map(os.path.realpath, beside))
        return ""

    def act(self, step: Step, target: Owner) -> Act:
        context, path = self._tools.context, target.id
        if reason := preconditions.mounted_inside(context.host, path):
            return skipped(reason)
        return remove(
            Path(path),
            self._folders,
            oldest_s=time.time() - context.grace_s,
            planned_s=context.planned_at.timestamp(),
        )


def remove(path: Path, folders: tuple[str, ...], *, oldest_s: float, planned_s: float) -> Act:
    """One entry of `folders`, of which the first is the engine's own.

    Untouched since `oldest_s`, unchanged since `planned_s` (seconds since the epoch).
    """
    if str(path.parent) not in folders or not TEMPORARY.fullmatch(path.name):
        return skipped(_NOT_THE_ENGINES)
    if not os.path.lexists(path):
        return GONE
    try:
        user = Path(folders[0]).parent.stat().st_uid
        if str(path.parent) != folders[0] and among_others(path, user) is not UnitKind.TEMPORARY:
            return skipped(_NOT_THE_ENGINES)
        if reason := _why_not(path, oldest_s, planned_s):
            return skipped(reason)
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink()
    except OSError as error:
        told = skipped if error.errno == errno.EXDEV else failed
        return told(f"{error.strerror or error}: {error.filename or path}")
    return REMOVED


def _why_not(path: Path, oldest_s: float, planned_s: float) -> str:
    try:
        found = list(tree(str(path)))
    except OSError as error:
        return f"it cannot be searched: {error.strerror or error}"
    for name, status in found:
        if status.st_ctime >= planned_s - _TICK_S:  # no program can set it: also one that was made anew shows here
            return "it was changed, or made anew, after the plan"
        if status.st_mtime > oldest_s:
            return "it was written to recently"
        if stat.S_ISREG(status.st_mode) and (reason := _open_elsewhere(name, status)):
            return reason
    return ""


def _open_elsewhere(name: str, seen: os.stat_result) -> str:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return _UNTOLD
    try:
        now = os.fstat(fd)
        if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino):
            return "it is a different file now"
        lease(fd)
    except OSError as error:
        return "a process has it open" if error.errno == errno.EAGAIN else _UNTOLD
    finally:
        os.close(fd)
    return ""


class Interrupted(Remover):
    """Layer writes and removals that a crash cut short; each must still be one, and the engine stopped."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._interrupted: frozenset[str] = frozenset()

    def before(self, step: Step) -> str:
        """Reads the store again, once: nobody changes it while the engine is stopped."""
        context, engine = self._tools.context, self._tools.engine
        if context.docker_root is None:
            return "the Docker root is not known"
        if not preconditions.stopped(engine):
            return "the engine runs, or is not known to be stopped: stop it, and its socket unit, then run this again"
        store = preconditions.read_again(context, engine, Path(context.docker_root))
        units = store.value.units if isinstance(store, Exact) else store
        if not isinstance(units, Exact):
            return f"the layer database could not be read again: {units.detail}"
        self._interrupted = frozenset(u.path for u in units.value if u.kind is UnitKind.INTERRUPTED_WRITE)
        return ""

    def act(self, step: Step, target: Owner) -> Act:
        path = target.id
        if not preconditions.stopped(self._tools.engine):
            return skipped("the engine was started meanwhile")
        if not Path(path).exists():
            return GONE
        if path not in self._interrupted:
            return skipped("it is no interrupted write any more")
        if reason := preconditions.mounted_inside(self._tools.context.host, path):
            return skipped(reason)
        return remove_layer(Path(path))

    def still_there(self, target: Owner) -> bool | None:
        return Path(target.id).exists()
