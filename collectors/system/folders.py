"""Folders of the program's own (configuration, journal, vault, figures), and files in them that are whole or not there.

The user's folders are those of the XDG specification, as platformdirs knows them.

A file is written beside and renamed: who reads sees the old or the new one. Torn or altered, a sealed one counts as not
there. A state folder may be one that others can write to: a file in it that leads elsewhere, or is another's, is
refused.
"""

from __future__ import annotations

import atexit
import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import platformdirs

from collectors.model import dataclass

OWN_MODE = 0o600  # of every file that only this program reads
OWN_FOLDER_MODE = 0o700

_NAME = "ullage"
_SYSTEM_STATE = Path("/var/lib") / _NAME


@dataclass(frozen=True, slots=True)
class Folder:
    """`origin` says who chose `path`, in words. `fallback` takes entries that `path` cannot, until the next boot."""

    path: Path
    origin: str
    fallback: Path | None

    @property
    def places(self) -> tuple[Path, ...]:
        """Every folder that may hold entries of this journal."""
        return (self.path,) if self.fallback is None else (self.path, self.fallback)


def journal_folder(chosen: str | None) -> Folder:
    """The journal's folder: `--journal`, $OPS_JOURNAL_ROOT, $OPS_REPO_ROOT/journal/supervisor, else the XDG state's."""
    fallback = _runtime() / _NAME / "journal"
    if chosen:
        return Folder(Path(chosen), "--journal", fallback)
    if root := os.environ.get("OPS_JOURNAL_ROOT"):
        return Folder(Path(root), "$OPS_JOURNAL_ROOT", fallback)
    if repo := os.environ.get("OPS_REPO_ROOT"):
        return Folder(Path(repo) / "journal" / "supervisor", "$OPS_REPO_ROOT", fallback)
    if not _names_home("XDG_STATE_HOME"):
        return Folder(_SYSTEM_STATE / "journal", "the system's state folder, for want of a home", fallback)
    origin = "$XDG_STATE_HOME" if _absolute("XDG_STATE_HOME") else "the XDG state folder"
    return Folder(platformdirs.user_state_path(_NAME) / "journal", origin, fallback)


def vault_folder(chosen: str | None) -> Path | None:
    """The folder of open tasks: `--vault`, $OPS_VAULT_ROOT, $OPS_REPO_ROOT/vault/pending; None where there is none."""
    if chosen:
        return Path(chosen)
    if root := os.environ.get("OPS_VAULT_ROOT"):
        return Path(root)
    repo = os.environ.get("OPS_REPO_ROOT")
    return Path(repo) / "vault" / "pending" if repo else None


def state_folder() -> Path:
    """Where measured figures are kept between runs: /var/lib/ullage for root, else the XDG state folder."""
    if os.geteuid() == 0:
        return _SYSTEM_STATE
    try:
        return platformdirs.user_state_path(_NAME)
    except RuntimeError:  # a user without a home
        return _SYSTEM_STATE


def config_files() -> tuple[Path, ...]:
    """The files of which the first that exists is taken, where none was named: the user's, then the machine's."""
    user = (platformdirs.user_config_path(_NAME) / "config.toml",) if _names_home("XDG_CONFIG_HOME") else ()
    return (*user, Path("/etc/ullage.toml"))


def _names_home(variable: str) -> bool:
    """Does the environment say where the user's folders are? A service without a home has none."""
    return _absolute(variable) or _absolute("HOME")


def _absolute(variable: str) -> bool:
    # The XDG specification: a relative path in these variables is to be ignored.
    return os.environ.get(variable, "").startswith("/")


def _runtime() -> Path:
    # platformdirs would fall back to a folder below /tmp, where another user may be first.
    return Path(os.environ["XDG_RUNTIME_DIR"]) if _absolute("XDG_RUNTIME_DIR") else Path("/run")


def replace_whole(path: Path, *content: bytes | memoryview, mode: int = 0o644, durable: bool = True) -> None:
    """Put `content` in the place of `path`, whose folder is there. Raises OSError, having left the old file as it was.

    Refused: to put a file in the place of a device, a pipe or a socket. `durable`: on disk when this returns, which
    what can be measured again need not be.
    """
    import tempfile  # a run that found nothing new writes nothing

    try:
        fd, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:  # names a file that nobody asked for
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with open(fd, "wb") as file:
            file.writelines(content)
            file.flush()
            if durable:
                os.fsync(fd)
            os.fchmod(fd, mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def is_special(path: Path) -> bool:
    """Is a device, a pipe, a socket or a folder there, or behind a link there? Then no file may take its place."""
    return path.exists() and not path.is_file()


def put(place: Path, content: bytes) -> None:
    """A file is replaced, whole or not at all; a device or a pipe, /dev/null say, is written to. Raises OSError."""
    if is_special(place):
        with place.open("wb") as out:
            out.write(content)
    else:
        replace_whole(place, content)


@contextmanager
def own_file(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of a file that only this program reads, made if `flags` say so. Raises OSError.

    Refused: a symbolic link, what is no regular file, what has a second name, and what is neither ours nor root's.
    """
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, OWN_MODE)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        refuse_second_name(found, path)
        if found.st_uid not in (os.geteuid(), 0):
            raise OSError(errno.EPERM, f"it belongs to user {found.st_uid}", str(path))
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != OWN_MODE:
            with suppress(OSError):  # only to be read here
                os.fchmod(fd, OWN_MODE)
        yield fd
    finally:
        os.close(fd)


def read_own(path: Path, most_bytes: int = -1) -> bytes:
    """What is in such a file, at most so much of it. Raises OSError."""
    with own_file(path, os.O_RDONLY) as fd, open(fd, "rb", closefd=False) as file:
        return file.read(most_bytes)


def refuse_second_name(found: os.stat_result, path: Path) -> None:
    """What is written to a file with hard links is written to somebody's other file. Raises OSError."""
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has another name (a hard link)", str(path))


def sealed(body: bytes) -> bytes:
    """What to write."""
    return _checksum(body) + b"\n" + body


def opened(content: bytes) -> bytes:
    """The body of what was read. ValueError where it is not what was written."""
    checksum, _, body = content.partition(b"\n")
    if checksum != _checksum(body):
        raise ValueError("the checksum does not fit")
    return body


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)


_WRITING_S = 5.0  # is waited for
_writing: dict[Path, Thread] = {}


def write_later(path: Path, write: Callable[[], None]) -> None:
    """Run `write`, which replaces this file, in a thread. Who reads the file settles it first, and the process's end.

    For what only a next run makes use of: whoever asked for an answer need not wait until it is kept.
    """
    settle(path)
    _writing[path] = Thread(target=write, name=f"write {path.name}", daemon=True)
    _writing[path].start()


def settle(path: Path) -> None:
    """Wait until this file is what `write_later` was to make of it; not for ever, for the disk may hang."""
    if (writer := _writing.pop(path, None)) is not None:
        writer.join(_WRITING_S)


def settle_all() -> None:
    """Wait for all that is being written."""
    for path in [*_writing]:
        settle(path)


atexit.register(settle_all)
