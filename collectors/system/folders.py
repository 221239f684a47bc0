"""Folders of the program's own, and files in them that are there whole or not at all.

Where the program keeps and looks for things of its own: configuration, journal, vault, measured figures.

The user's folders are those of the XDG specification, as platformdirs knows them. Touches no file.

Files that are there whole or not at all, and files that only this program reads, which carry a checksum.

Written beside and renamed: who reads sees the old or the new one. Torn or altered, a sealed file counts as not there.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

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


def replace_whole(path: Path, content: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Put `content` in the place of `path`, whose folder is there. Raises OSError, having left the old file as it was.

    `durable`: on disk when this returns, which what can be measured again need not be.
    """
    try:
        fd, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:  # names a file that nobody asked for
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(fd)
            os.fchmod(fd, mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


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
