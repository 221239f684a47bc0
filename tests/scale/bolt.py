"""Bolt files of any size: buckets too large for one page get leaves of a hundred keys and branches above them."""

from __future__ import annotations

import struct

from tests.drivers.docker_root_trees import PAGE_BYTES, Node, branch_page, leaf_page, meta_page

_KEYS = 100
_CHILDREN = 80  # of 41 bytes each in a page
_NESTED = 1


class _File:
    def __init__(self) -> None:
        self.pages = [b"", b"", leaf_page(2, {})]

    def add(self, page: bytes, number: int) -> None:
        assert number == len(self.pages)
        self.pages += [page[at : at + PAGE_BYTES] for at in range(0, len(page), PAGE_BYTES)]

    def bucket(self, content: Node) -> int:
        """Its root page."""
        large = {key: value for key, value in content.items() if not isinstance(value, bytes) and len(value) > _KEYS}
        roots = {key: self.bucket(value) for key, value in large.items()}
        if roots:  # the few keys beside a large bucket: none here
            assert set(roots) == set(content)
            number = len(self.pages)
            self.add(_heads(number, roots), number)
            return number
        keys = sorted(content)
        level: list[tuple[bytes, int]] = []
        for at in range(0, max(1, len(keys)), _KEYS):
            number, part = len(self.pages), keys[at : at + _KEYS]
            self.add(leaf_page(number, {key: content[key] for key in part}), number)
            level.append((part[0] if part else b"", number))
        while len(level) > 1:
            above: list[tuple[bytes, int]] = []
            for at in range(0, len(level), _CHILDREN):
                number, children = len(self.pages), level[at : at + _CHILDREN]
                self.add(branch_page(number, children), number)
                above.append((children[0][0], number))
            level = above
        return level[0][1]


def bolt_file(content: Node) -> bytes:
    """A bbolt file. Buckets larger than a page of keys must not stand beside small ones."""
    file = _File()
    root = file.bucket(content)
    file.pages[0], file.pages[1] = meta_page(0, root=root, txid=7), meta_page(1, root=2, txid=6)
    return b"".join(file.pages)


def _heads(number: int, roots: dict[bytes, int]) -> bytes:
    """A leaf whose values are buckets with pages of their own."""
    items = sorted(roots.items())
    elements, data = b"", b""
    for place, (key, root) in enumerate(items):
        elements += struct.pack("<IIII", _NESTED, 16 * (len(items) - place) + len(data), len(key), 16)
        data += key + struct.pack("<QQ", root, 0)
    return (struct.pack("<QHHI", number, 2, len(items), 0) + elements + data).ljust(PAGE_BYTES, b"\0")
