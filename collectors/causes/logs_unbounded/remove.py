"""Emptying a live container's log in place, after its end was set aside. For experts; the plan tells what it breaks.

The live file is truncated, never unlinked: its writer would go on filling the deleted file. Rotated siblings, which
nobody writes any more, are removed. Refuses whatever is not a plain file in the container's own directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.causes.plan_context import TRUNCATABLE
from collectors.model import Owner
from collectors.model.plan import Step
from collectors.model.settings import Rules, has_label, matches
from collectors.reclaim import GONE, Act, failed, skipped
from collectors.reclaim.preconditions import labels, mapping, text
from collectors.reclaim.tools import Remover
from collectors.system import folders, mountinfo

_PIECE_BYTES = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = "kept-logs"


class Logs(Remover):
    """Truncated in place; the container goes on writing."""

    def before(self, step: Step) -> str:
        return "" if self._tools.context.docker_root else "the Docker root is not known"

    def act(self, step: Step, target: Owner) -> Act:
        context, name = self._tools.context, target.id
        reply = self._tools.engine.get(f"/containers/{name}/json")
        if reply.status == 404:
            return GONE
        if not reply.ok or not isinstance(reply.body, dict):
            return failed(reply.message)
        if reason := why_not(reply.body, context.rules):
            return skipped(reason)
        live = live_log(Path(context.docker_root or ""), name)
        if live is None:
            return GONE
        return truncate(live, context.state, name, context.rules.log_tail_bytes)


def live_log(root: Path, container_id: str) -> Path | None:
    """The file that the engine is writing, json-file or local; None where there is none."""
    home = root / "containers" / container_id
    for path in (home / f"{container_id}-json.log", home / "local-logs" / "container.log"):
        if _is_plain(path):
            return path
    return None


def truncate(live: Path, state: Path, container_id: str, tail_bytes: int) -> Act:
    """Keep the last `tail_bytes`, then empty the log. Nothing is emptied where the end could not be kept."""
    try:
        fd = os.open(live, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        return skipped(f"the log cannot be opened: {error.strerror}")
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return skipped("the log is not a plain file")
        if not _in_the_mount_of(fd, live.parent):
            return skipped("something is mounted on the log, or whether it is cannot be told")
        kept = _keep(fd, state, container_id, tail_bytes)
        os.ftruncate(fd, 0)
    except OSError as error:
        return failed(f"{error.strerror}: {error.filename or live}")
    finally:
        os.close(fd)
    left = [path.name for path in rotated(live) if not _unlinked(path)]
    reason = f"its end is kept in {kept}" + (f"; not removed: {', '.join(left)}" if left else "")
    return Act(True, reason)


def _in_the_mount_of(fd: int, folder: Path) -> bool:
    """Is it a file of that folder itself, and not one of elsewhere that is mounted there?"""
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        here = mountinfo.mount_id(above)
        return here is not None and here == mountinfo.mount_id(fd)
    finally:
        os.close(above)


def rotated(live: Path) -> tuple[Path, ...]:
    """Rotated siblings: the same name with a number, compressed or not."""
    found = []
    for path in sorted(live.parent.glob(f"{live.name}.*")):
        number = path.name[len(live.name) + 1 :].removesuffix(".gz")
        if number.isdigit() and _is_plain(path):
            found.append(path)
    return tuple(found)


def _keep(fd: int, state: Path, container_id: str, tail_bytes: int) -> Path:
    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=folders.OWN_FOLDER_MODE)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")  # two runs in one second keep two tails
    kept = folder / f"{container_id[:12]}-{moment}.log"
    at = max(0, os.fstat(fd).st_size - tail_bytes)
    with _own_folder(folder) as within:
        out = os.open(kept.name, _NEW, folders.OWN_MODE, dir_fd=within)
        try:
            while piece := os.pread(fd, _PIECE_BYTES, at):
                at += os.write(out, piece)
            os.fsync(out)
        finally:
            os.close(out)
    return kept


@contextmanager
def _own_folder(path: Path) -> Iterator[int]:
    """Logs hold secrets: they are not laid where a link leads, or where another can read them."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        owner = os.fstat(fd).st_uid
        if owner not in (os.geteuid(), 0):
            raise OSError(errno.EPERM, f"it belongs to user {owner}", str(path))
        yield fd
    finally:
        os.close(fd)


def _unlinked(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def why_not(detail: Mapping[str, Any], rules: Rules) -> str:
    """A log whose container is kept is kept; one that another driver writes is not ours to cut."""
    name = text(detail, "Name").removeprefix("/")
    if kept := has_label(labels(detail), rules) or matches((name, text(detail, "Id")), rules.containers):
        return f"the rule {kept} keeps its container"
    driver = text(mapping(mapping(detail, "HostConfig"), "LogConfig"), "Type")
    if driver not in TRUNCATABLE:
        return f"its log driver is {driver or 'unknown'}"
    return ""
