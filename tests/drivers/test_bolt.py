"""The bolt reader: real files, damaged files, and files that change while they are read."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.drivers import bolt
from collectors.drivers.bolt import Bucket
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed
from tests.drivers.docker_root_trees import PAGE_BYTES, bolt_file, branch_page, leaf_page, meta_page

CAPTURED = Path(__file__).parents[1] / "bytes" / "docker_root"
FILES = sorted(CAPTURED.glob("*/*.db.gz"))
DEEPEST = 9  # levels of buckets in a real file; a damaged one may seem to have more

Tree = dict[bytes, "bytes | Tree"]


def tree(bucket: Bucket, depth: int = 0) -> Tree:
    if depth > DEEPEST:
        raise Malformed("deeper than any real file")
    return {key: tree(value, depth + 1) if isinstance(value, Bucket) else value for key, value in bucket.items()}


def opened(folder: Path, content: bytes) -> Tree:
    path = folder / "file.db"
    path.write_bytes(content)
    return bolt.read(path, tree)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_real_file_is_read_to_its_last_key(path: Path, tmp_path: Path) -> None:
    found = opened(tmp_path, gzip.decompress(path.read_bytes()))
    listed = json.loads((path.parent / "listed.json").read_text())
    words = json.dumps(_plain(found))
    match path.name.removesuffix(".gz"):
        case "metadata_v2.db":
            main = found[b"_main"]
            assert isinstance(main, dict)
            assert set(listed["build_cache"]) <= {key.decode() for key in main}
        case "snapshots.db":
            assert all(isinstance(value, dict) for value in found.values())
        case "meta.db":
            assert all(digest in words for digest in listed["images"] + listed["containers"])
        case _:
            rows = found[b"v1"]
            assert isinstance(rows, dict)
            snapshots = rows[b"snapshots"]
            assert isinstance(snapshots, dict)
            assert len(snapshots) == len(listed["directories"])


def _plain(found: Tree) -> dict[str, object]:
    return {
        key.decode("latin-1"): _plain(v) if isinstance(v, dict) else v.decode("latin-1") for key, v in found.items()
    }


def test_the_newest_valid_meta_page_counts(tmp_path: Path) -> None:
    new, old = leaf_page(3, {b"new": b"1"}), leaf_page(2, {b"old": b"1"})
    assert opened(tmp_path, meta_page(0, root=2, txid=8) + meta_page(1, root=3, txid=9) + old + new) == {b"new": b"1"}
    torn = bytearray(meta_page(1, root=3, txid=9))
    torn[40] ^= 1
    assert opened(tmp_path, meta_page(0, root=2, txid=8) + bytes(torn) + old + new) == {b"old": b"1"}


def test_a_torn_first_meta_page_leaves_the_second(tmp_path: Path) -> None:
    whole = bolt_file({b"k": b"v"}, txid=4)
    swapped = bytes(PAGE_BYTES) + meta_page(1, root=3, txid=5) + whole[2 * PAGE_BYTES :]
    assert opened(tmp_path, swapped) == {b"k": b"v"}


@pytest.mark.parametrize("page_bytes", [4096, 16384, 65536])
def test_the_page_size_is_the_files_own(tmp_path: Path, page_bytes: int) -> None:
    pages = meta_page(0, root=2, txid=1, page_bytes=page_bytes) + meta_page(1, root=2, txid=2, page_bytes=page_bytes)
    assert opened(tmp_path, pages + leaf_page(2, {b"k": b"v"}, page_bytes)) == {b"k": b"v"}


def test_a_value_longer_than_a_page_is_whole(tmp_path: Path) -> None:
    value = os.urandom(3 * PAGE_BYTES)
    assert opened(tmp_path, bolt_file({b"k": value})) == {b"k": value}


def test_branches_are_followed_in_order(tmp_path: Path) -> None:
    pages = meta_page(0, root=2, txid=1) + meta_page(1, root=2, txid=2)
    pages += branch_page(2, [(b"a", 3), (b"m", 4)]) + leaf_page(3, {b"a": b"1"}) + leaf_page(4, {b"m": b"2"})
    assert opened(tmp_path, pages) == {b"a": b"1", b"m": b"2"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no valid meta page"),
        (b"\0" * 20000, "no valid meta page"),
        (b"{}" * 5000, "no valid meta page"),
        (meta_page(0, root=2, txid=1) + meta_page(1, root=2, txid=2), "beyond the end"),
        (meta_page(0, root=2**63, txid=1) + bytes(PAGE_BYTES), "beyond the end"),
        (meta_page(0, root=1, txid=1) + meta_page(1, root=1, txid=2), "neither a branch nor a leaf"),
        (meta_page(0, root=2, txid=1) + bytes(PAGE_BYTES) + leaf_page(5, {}), "says that it is page 5"),
        (meta_page(0, root=2, txid=1) + bytes(PAGE_BYTES) + branch_page(2, [(b"a", 2)]), "reached twice"),
        (bolt_file({b"k": b"v" * 9000})[: 5 * PAGE_BYTES], "beyond the end"),
    ],
)
def test_a_file_that_does_not_hold_together_is_malformed(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        opened(tmp_path, content)


@pytest.mark.parametrize(
    "metas",
    [
        meta_page(0, root=2, txid=1) + meta_page(1, root=2, txid=2, page_bytes=8192)[:PAGE_BYTES],
        meta_page(0, root=2, txid=2, page_bytes=8192)[:PAGE_BYTES] + meta_page(1, root=2, txid=1),
        meta_page(0, root=2, txid=1) + meta_page(1, root=2, txid=2, page_bytes=1 << 21)[:PAGE_BYTES],
    ],
)
def test_meta_pages_that_disagree_on_the_size_of_pages_are_malformed(tmp_path: Path, metas: bytes) -> None:
    """Else the older of two states would be read where the newer one's meta page is spoilt behind a right checksum."""
    with pytest.raises(Malformed, match=r"pages have|size of pages|page size"):
        opened(tmp_path, metas + leaf_page(2, {b"old": b"1"}))


def test_keys_out_of_order_are_malformed(tmp_path: Path) -> None:
    pages = meta_page(0, root=2, txid=1) + bytes(PAGE_BYTES)
    pages += branch_page(2, [(b"m", 3), (b"a", 4)]) + leaf_page(3, {b"m": b"1"}) + leaf_page(4, {b"a": b"2"})
    with pytest.raises(Malformed, match="out of order"):
        opened(tmp_path, pages)


def test_a_bucket_that_contains_itself_ends_with_the_budget(tmp_path: Path) -> None:
    """Page 2 holds a bucket `k` whose root is page 2 again."""
    pages = bytearray(meta_page(0, root=2, txid=1) + bytes(PAGE_BYTES) + leaf_page(2, {b"k": {}}))
    at = 2 * PAGE_BYTES + 16 + 16 + 1  # page head, one element, the key
    pages[at : at + 8] = (2).to_bytes(8, "little")
    path = tmp_path / "file.db"
    path.write_bytes(pages)

    def descend(bucket: Bucket) -> int:
        levels = 0
        while (inner := bucket.bucket(b"k")) is not None:
            bucket, levels = inner, levels + 1
        return levels

    with pytest.raises(Malformed, match="more is referred to than the file can hold"):
        bolt.read(path, descend)


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read page by page, as those are that are too large for memory."""
    monkeypatch.setattr(bolt, "_IN_MEMORY_BYTES", 0)


def commit(path: Path, number: int) -> None:
    """Transaction `number` as bbolt makes it: into pages that the state before does not use, then its meta page."""
    value = bytes([number % 251]) * (6 * PAGE_BYTES)
    page = 2 + 10 * (number % 2)
    with path.open("r+b", buffering=0) as file:
        content = leaf_page(page, {b"k": value})
        file.seek(page * PAGE_BYTES)
        for at in range(0, len(content), PAGE_BYTES):
            file.write(content[at : at + PAGE_BYTES])
        file.seek(number % 2 * PAGE_BYTES)
        file.write(meta_page(number % 2, root=page, txid=number))


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20], ids=["page by page", "in memory"])
def test_no_reading_mixes_two_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory_bytes: int) -> None:
    monkeypatch.setattr(bolt, "_IN_MEMORY_BYTES", memory_bytes)
    path = tmp_path / "file.db"
    path.write_bytes(bytes(30 * PAGE_BYTES))
    commit(path, 1)
    commit(path, 2)
    stop = threading.Event()

    def keep_on_committing() -> None:
        number = 3
        while not stop.wait(0.0002):
            commit(path, number)
            number += 1

    writer = threading.Thread(target=keep_on_committing)
    writer.start()
    seen: set[bytes] = set()
    try:
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            with suppress(Declined):
                value = bolt.read(path, lambda root: root.values())[b"k"]
                assert len(set(value)) == 1
                seen.add(value[:1])
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 5


def test_what_changes_during_the_reading_is_read_again(tmp_path: Path, in_place: None) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(bolt_file({b"k": b"old"}, txid=5))
    seen: list[Tree] = []

    def read(root: Bucket) -> Tree:
        found = tree(root)
        seen.append(found)
        if len(seen) == 1:
            path.write_bytes(bolt_file({b"k": b"new"}, txid=6))
        return found

    assert bolt.read(path, read) == {b"k": b"new"}
    assert seen == [{b"k": b"old"}, {b"k": b"new"}]


def test_a_reading_that_only_a_commit_tore_is_not_called_damage(tmp_path: Path, in_place: None) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(bolt_file({b"k": b"old"}, txid=5))
    attempts = 0

    def read(root: Bucket) -> Tree:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            path.write_bytes(bolt_file({b"k": b"new"}, txid=7))
            raise Malformed("a page was used again")
        return tree(root)

    assert bolt.read(path, read) == {b"k": b"new"}


def test_a_file_that_never_rests_is_declined(tmp_path: Path, in_place: None) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(bolt_file({}, txid=5))
    transactions = iter(range(6, 1000))

    def read(root: Bucket) -> Tree:
        path.write_bytes(bolt_file({}, txid=next(transactions)))
        return {}

    with pytest.raises(Declined) as declined:
        bolt.read(path, read)
    assert declined.value.why is Why.INCONSISTENT


def test_damage_found_page_by_page_names_the_file(tmp_path: Path, in_place: None) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(bolt_file({b"k": b"v" * 9000})[: 5 * PAGE_BYTES])
    with pytest.raises(Malformed, match=r"file\.db: page 3 continues|file\.db: page 4 lies beyond"):
        bolt.read(path, tree)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.db").write_bytes(bolt_file({}))
    (tmp_path / "link.db").symlink_to("real.db")
    with pytest.raises(OSError, match="symbolic links"):
        bolt.read(tmp_path / "link.db", tree)


_WHOLE = {path: gzip.decompress(path.read_bytes()) for path in FILES}


@settings(max_examples=300, deadline=2000)
@given(data=st.data())
def test_flipped_bits_give_an_answer_or_malformed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(_WHOLE[data.draw(st.sampled_from(FILES))])
    used = max((at for at, byte in enumerate(content) if byte), default=0)
    for at in data.draw(st.lists(st.integers(0, used), min_size=1, max_size=8)):
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(Malformed):
        opened(tmp_path_factory.getbasetemp(), bytes(content))


@settings(max_examples=100, deadline=2000)
@given(data=st.data())
def test_damage_to_page_heads_gives_an_answer_or_malformed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Numbers in the places that steer the walk: flags, counts, offsets, lengths, children."""
    content = bytearray(_WHOLE[data.draw(st.sampled_from(FILES))])
    for _ in range(data.draw(st.integers(1, 6))):
        page = data.draw(st.integers(0, len(content) // PAGE_BYTES - 1))
        at = page * PAGE_BYTES + 4 * data.draw(st.integers(0, 24))
        content[at : at + 4] = data.draw(
            st.sampled_from([0, 1, 2, 3, 16, 4096, 65535, 2**31, 2**32 - 1]) | st.integers(0, 200)
        ).to_bytes(4, "little")
    with suppress(Malformed):
        opened(tmp_path_factory.getbasetemp(), bytes(content))


@settings(max_examples=60, deadline=2000)
@given(data=st.data())
def test_a_short_file_gives_an_answer_or_malformed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = _WHOLE[data.draw(st.sampled_from(FILES))]
    with suppress(Malformed):
        opened(tmp_path_factory.getbasetemp(), content[: data.draw(st.integers(0, len(content)))])
