"""Which files are asked for the extents that they share: all that are large enough, or those that a kernel lists."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collectors.system.child import extents, inodes
from tests.system.walking import fill

LEAST = 64 << 10


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []

    def ask(path: bytes) -> list[tuple[int, int]]:
        found.append(Path(path.decode()))
        return [(4096, 8192)]

    monkeypatch.setattr(extents, "shared_extents", ask)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number in range(20):
        fill(tmp_path / f"{number % 5}" / f"{number}", LEAST + 4096 if number % 2 else 5000)
    return tmp_path


def searched(tree: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    answers: list[tuple[object, ...]] = []
    monkeypatch.setattr(extents, "send", answers.append)
    units = [bytes(tree / "3")]
    extents.run({"path": bytes(tree), "units": units, "least": LEAST, "stop_at": time.monotonic() + 10})
    (answer,) = answers
    return answer


def test_without_a_list_every_large_file_is_asked(
    tree: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extents, "listed_files", lambda path, least, until: None)
    kind, whole, found = searched(tree, monkeypatch)
    large = [tree / f"{number % 5}" / f"{number}" for number in range(1, 20, 2)]
    assert (kind, whole) == ("extents", True)
    assert sorted(asked) == sorted(large)
    expected = [(4096, 8192, 0, b"") if path.parent.name == "3" else (4096, 8192, -1, bytes(path)) for path in large]
    assert sorted(found) == sorted(expected)  # type: ignore[call-overload]


def test_of_a_list_only_those_are_asked_and_the_last_of_them_ends_the_search(
    tree: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tree / "3" / "13"
    listed = {large.stat().st_ino}
    monkeypatch.setattr(extents, "listed_files", lambda path, least, until: set(listed))
    assert searched(tree, monkeypatch) == ("extents", True, [(4096, 8192, 0, b"")])
    assert asked == [large]
    entered: list[bytes] = []
    directory = extents.Search.directory

    def enter(search: extents.Search, path: bytes, holder: int) -> None:
        entered.append(path)
        directory(search, path, holder)

    monkeypatch.setattr(extents.Search, "directory", enter)
    listed.clear()
    assert searched(tree, monkeypatch) == ("extents", True, [])
    assert entered == []


def test_where_the_kernel_lists_no_inodes_there_is_no_list(tree: Path) -> None:
    until = time.monotonic() + 10
    assert extents.listed_files(b"/proc", LEAST, until) is None
    assert extents.listed_files(bytes(tree), 1, until) is None, "nearly all files would be on it"


def test_a_list_that_takes_too_long_is_not_waited_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extents, "open_bulk", lambda root: object())
    monkeypatch.setattr(inodes.BulkReader, "plain_files", lambda reader, least, nameless: iter([[1, 2], [3]]))
    assert extents.listed_files(bytes(tree), LEAST, time.monotonic() + 10) == {1, 2, 3}
    assert extents.listed_files(bytes(tree), LEAST, time.monotonic()) is None
