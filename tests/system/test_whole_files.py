"""A file is replaced whole or not at all; a sealed one holds what was written, or nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.system import folders


@given(st.binary())
def test_what_was_written_comes_back(body: bytes) -> None:
    assert folders.opened(folders.sealed(body)) == body


@given(st.binary(min_size=1), st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(body: bytes, at: int, bit: int) -> None:
    content = bytearray(folders.sealed(body))
    content[at % len(content)] ^= 1 << bit
    with pytest.raises(ValueError, match="checksum"):
        folders.opened(bytes(content))


def test_a_file_that_was_cut_is_noticed() -> None:
    content = folders.sealed(b"figures")
    for keep in range(len(content)):
        with pytest.raises(ValueError, match="checksum"):
            folders.opened(content[:keep])


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content, mode in ((b"old", 0o644), (b"new \xff", 0o600)):
        folders.replace_whole(path, content, mode=mode)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folders.replace_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        folders.replace_whole(tmp_path / "none" / "file", b"")
    assert raised.value.filename == str(tmp_path / "none" / "file")


@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_pipe_is_written_to_and_never_replaced(tmp_path: Path, through_a_link: bool) -> None:
    """As root `--output /dev/null` must not make a plain file of the machine's null device."""
    place = tmp_path / "pipe"
    os.mkfifo(place)
    if through_a_link:
        (tmp_path / "link").symlink_to(place)
        place = tmp_path / "link"
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    try:
        folders.put(place, b"the report")
        assert os.read(reader, 100) == b"the report"
    finally:
        os.close(reader)
    assert place.is_fifo()
    assert place.is_symlink() is through_a_link
