"""Small files and listings under the Docker root, with a ceiling on every read.

Refuses to follow a symbolic link as the last component and to read more than it was told to: whatever lies there was
written by others, and a layer database has no large files.

Records that an engine is changing meanwhile are read twice before they are called broken: one that vanishes is no
record, and one that stays torn is named, so that a single damaged row neither hides nor blinds.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from collectors.model import dataclass
from collectors.system.deadline import Host, Malformed

WORD_LIMIT_BYTES = 4096  # cache-id, parent, size, link … are one word each
_FIRST_BYTES, _NEXT_BYTES = 1 << 16, 1 << 20
DOCUMENT_LIMIT_BYTES = 32 << 20  # an image config with thousands of history entries is below one MiB


def read_bytes(path: str | Path, limit_bytes: int) -> bytes:
    """The whole file. Malformed when it is longer than `limit_bytes`; OSError as the kernel gives it."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        content = os.read(handle, min(limit_bytes + 1, _FIRST_BYTES))
        while content and len(content) <= limit_bytes and (more := os.read(handle, _NEXT_BYTES)):
            content += more
    except OSError as error:
        error.filename = str(path)  # os.read knows only the descriptor
        raise
    finally:
        os.close(handle)
    if len(content) > limit_bytes:
        raise Malformed(f"{path}: longer than {limit_bytes} bytes")
    return content


def read_word(path: str | Path) -> str:
    """A file that holds one word, without surrounding white space."""
    try:
        return read_bytes(path, WORD_LIMIT_BYTES).decode("ascii").strip()
    except UnicodeDecodeError:
        raise Malformed(f"{path}: not plain text") from None


def read_word_or_none(path: str | Path) -> str | None:
    """As `read_word`; None when there is no such file."""
    try:
        return read_word(path)
    except FileNotFoundError:
        return None


def read_json(path: str | Path) -> Any:
    """A JSON document. Malformed when it is none."""
    return parse_json(read_bytes(path, DOCUMENT_LIMIT_BYTES), str(path))


def parse_json(document: bytes, where: str) -> Any:
    """`document` decoded; Malformed names `where`."""
    try:
        return json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{where}: {error}") from None


def mapping(value: object, where: str) -> dict[str, Any]:
    """`value` as a JSON object; null counts as an empty one, because that is how Go writes an empty map."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{where}: an object was expected")
    return value


def sequence(value: object, where: str) -> list[Any]:
    """`value` as a JSON array; null counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{where}: an array was expected")
    return value


def names(folder: Path) -> tuple[str, ...]:
    """The names in a folder, sorted. OSError as the kernel gives it: an unreadable folder is not an empty one."""
    return tuple(sorted(os.listdir(folder)))  # noqa: PTH208 - names, not paths


def names_if_there(folder: Path) -> tuple[str, ...]:
    """As `names`; empty when there is no such folder."""
    try:
        return names(folder)
    except FileNotFoundError:
        return ()


def folders(folder: Path) -> tuple[str, ...]:
    """The names of the real directories (not links to some) in a folder, sorted."""
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False)))


def folders_if_there(folder: Path) -> tuple[str, ...]:
    """As `folders`; empty when there is no such folder."""
    try:
        return folders(folder)
    except FileNotFoundError:
        return ()


def followed(path: Path) -> Path:
    """`path`, or where it leads to: people move a part of a Docker root to another disk behind a symbolic link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def link_in(folder: Path, name: str) -> Path | None:
    """Where an entry of a folder leads to, if it is a symbolic link.

    That is told by the listing, without a look at the entry: what is mounted on it may never answer.
    """
    with os.scandir(folder) as entries:
        found = next((entry for entry in entries if entry.name == name), None)
    return Path(os.path.realpath(found.path)) if found is not None and found.is_symlink() else None


T = TypeVar("T")

# A record that is being written or deleted changes file by file; this is longer than that takes.
_SECOND_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """What was read, and one sentence for each record that is there and cannot be read."""

    good: tuple[T, ...]
    broken: tuple[str, ...]


def collect(paths: Iterable[Path], read: Callable[[Path], T]) -> Rows[T]:
    """`read` each path. Only Malformed and a missing file are a row's own fault; any other error is the caller's."""
    good: list[T] = []
    torn: list[Path] = []
    for path in paths:
        try:
            good.append(read(path))
        except (FileNotFoundError, Malformed):
            torn.append(path)
    if not torn:
        return Rows(tuple(good), ())
    time.sleep(_SECOND_LOOK_S)
    broken: list[str] = []
    for path in torn:
        try:
            good.append(read(path))
        except FileNotFoundError as error:
            if path.exists() and error.filename != str(path):
                broken.append(f"{path}: has no {Path(str(error.filename)).name}")
        except Malformed as error:
            if path.exists():
                broken.append(str(error))
    return Rows(tuple(good), tuple(broken))


_AT_MOST_ENTRIES = 200_000  # a context with more than that is not looked through, and stays


def last_touched_s(path: str) -> float | None:
    """The latest modification in the tree, seconds since the epoch; None where it cannot be told."""
    try:
        return max(status.st_mtime for _, status in tree(path))
    except OSError:
        return None


def tree(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything from `path` down, links not followed. OSError where something vanishes, or for too many entries."""
    left, count = [path], 0
    while left:
        one = left.pop()
        status = os.lstat(one)
        yield one, status
        count += 1
        if count > _AT_MOST_ENTRIES:
            raise OSError(f"more than {_AT_MOST_ENTRIES} entries")
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(one) as entries:
                left += [entry.path for entry in entries]


def only_numbers(folder: Path) -> bool:
    """Does it hold numbered files and nothing else, as containers/image writes blobs?"""
    with os.scandir(folder) as found:
        return all(one.name.isdecimal() and one.is_file(follow_symlinks=False) for one in found)


_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd


def is_archive(path: Path) -> bool:
    """A tar, packed or not, or as much of one as had come."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        first = os.read(handle, 512)
    finally:
        os.close(handle)
    return first[257:262] == b"ustar" or first.startswith(_PACKED) or not first


_IMAGE_STORES = re.compile(r"^\s*(?:additionalimagestores|imagestore)\s*=\s*(\[[^\]]*\]|.*)", re.MULTILINE)


def image_stores(host: Host) -> tuple[str, ...]:
    """Further stores that Podman reads images from, by its configuration."""
    try:
        told = _IMAGE_STORES.findall(host.here("/etc/containers/storage.conf").read_text("utf-8", "replace"))
    except OSError:
        return ()
    return tuple(path for one in told for path in re.findall(r'"(/[^"]*)"', one))
