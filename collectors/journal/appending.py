"""Putting one run into the journal: a header, bullets for people, one machine line; one write under a lock, synced.

The lock is waited for, but not for ever. Those who write without one are met by O_APPEND: the kernel puts each single
write at the end, whoever comes first. Never rewrites a byte that is there. What the journal's folder cannot take goes
to the fallback folder, and what that cannot take is handed back to be printed: a run is not lost in silence.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from collectors.journal import Record, day, encoding
from collectors.model import dataclass
from collectors.system.folders import Folder, refuse_second_name

_WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def appending(path: Path, *, wait_s: float) -> Iterator[tuple[int, bool]]:
    """A descriptor of `path`, made if missing, and whether the lock was had. Raises OSError.

    A link, hard or symbolic, and anything that is no regular file is refused: a journal may lie where others can write.
    A file that was replaced while the lock was waited for (an editor, a checkout) is let go and the new one taken.
    """
    until = time.monotonic() + wait_s
    while True:
        fd = os.open(path, _FLAGS, 0o644)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            refuse_second_name(found, path)
            locked = _lock(fd, until)
            if not _is_still(path, fd):
                continue
            yield fd, locked
            return
        finally:
            os.close(fd)  # and the lock with it


def _lock(fd: int, until: float) -> bool:
    pause_s = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.02)
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                return False
            raise
        else:
            return True


def _is_still(path: Path, fd: int) -> bool:
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


LOCK_WAIT_S = 5.0
# Others may fill the file: the records that the next one builds on are looked for this far back.
TAIL_BYTES = 4 << 20
FALLBACK_KEPT = timedelta(days=7)
_BULLETS_KEPT = 30


class Place(StrEnum):
    JOURNAL = "journal"
    FALLBACK = "fallback"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Written:
    """Where an entry went. `notes`: one sentence for everything that did not go as asked; empty when all is well.

    With place NOWHERE nothing holds `entry`: print it.
    """

    place: Place
    path: Path | None
    entry: str
    notes: tuple[str, ...]


def append(folder: Folder, record: Record, bullets: Sequence[str]) -> Written:
    """Adds one run. Never raises for what a disk can do: full, read-only, missing, not permitted, failing."""
    notes: list[str] = []
    for place, root in zip((Place.JOURNAL, Place.FALLBACK), folder.places, strict=False):
        path = root / day.file_name(record.at)
        try:
            entry = _append(path, record, bullets, notes)
        except OSError as error:
            notes.append(f"cannot write {encoding.markdown_line(str(path))}: {error.strerror or error}")
        else:
            if place is Place.FALLBACK:
                _forget(root, record.at)
            return Written(place, path, entry, tuple(notes))
    return Written(Place.NOWHERE, None, compose(record, bullets, encoding.encode(record, None)), tuple(notes))


def compose(record: Record, bullets: Sequence[str], machine_line: str) -> str:
    """The entry of one run as it stands in the file. Bullets are escaped by the caller and made one line each here."""
    at = record.at.astimezone(UTC)
    lines = "".join(f"- {encoding.markdown_line(bullet)}\n" for bullet in bullets[:_BULLETS_KEPT])
    return f"\n{day.HEADER} — {at:%H:%M} UTC\n\n{lines}\n{machine_line}\n"


def _append(path: Path, record: Record, bullets: Sequence[str], notes: list[str]) -> str:
    _make_folder(path.parent, notes)
    with appending(path, wait_s=LOCK_WAIT_S) as (fd, locked):
        size = os.fstat(fd).st_size
        tail = _pread(fd, max(0, size - TAIL_BYTES), size)
        found = day.parse(tail, record.at.astimezone(UTC).date())
        # Without the lock another run may be writing: its record may come between ours and the base.
        base = found.last.get(record.filesystem) if locked else None
        room = encoding.budget_bytes(len(found.records), found.machine_bytes)
        entry = compose(record, bullets, encoding.encode(record, base, room_bytes=room))
        _write(fd, close_of(tail) + entry.encode("utf-8", "replace"))
        os.fsync(fd)
        if size == 0:
            _sync_folder(path.parent)
    if not locked:
        notes.append("another run holds the journal's lock: written without it")
    return entry


def close_of(tail: bytes) -> bytes:
    """What ends a last line that was torn off, so that the next entry starts on a line, outside a comment."""
    last = tail[tail.rfind(b"\n") + 1 :]
    if not last:
        return b""
    return b" -->\n" if b"<!--" in last[last.rfind(b"-->") + 1 :] else b"\n"


def _write(fd: int, content: bytes) -> None:
    # One write. A short one means that the disk is full: the second says which error it is, and the torn entry stays
    # for readers to skip, because cutting the file could cut what somebody appended meanwhile.
    while content:
        content = content[os.write(fd, content) :]


def _pread(fd: int, start: int, end: int) -> bytes:
    return b"".join(_blocks(fd, start, end))


def _blocks(fd: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        block = os.pread(fd, min(1 << 20, end - start), start)
        if not block:
            return
        start += len(block)
        yield block


def _forget(folder: Path, now: datetime) -> None:
    """The fallback is ours alone and lies in memory: a week is kept."""
    with suppress(OSError):
        for path in folder.iterdir():
            on = day.date_of(path.name)
            if on is not None and on < (now - FALLBACK_KEPT).astimezone(UTC).date():
                path.unlink()


def _make_folder(path: Path, notes: list[str]) -> None:
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        notes.append(f"made the folder {encoding.markdown_line(str(path))}")


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
