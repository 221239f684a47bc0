"""Docker roots and bolt files made by hand, small enough to read: what an engine would have written, file by file."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from collectors.system.deadline import Host

Node: TypeAlias = "Mapping[bytes, bytes | Node]"

PAGE_BYTES = 4096
_BRANCH, _LEAF, _META, _FREELIST = 1, 2, 4, 16


def bolt_file(content: Node, *, txid: int = 7) -> bytes:
    """A bbolt file with everything in one leaf. The older meta page (`txid` - 1) is of an empty file."""
    root = leaf_page(3, content)
    empty = leaf_page(2, {})
    pages = meta_page(0, root=3, txid=txid) + meta_page(1, root=2, txid=txid - 1)
    return pages + empty + root


def meta_page(number: int, *, root: int, txid: int, page_bytes: int = PAGE_BYTES) -> bytes:
    """One meta page with a right checksum."""
    fields = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, page_bytes, 0, root, 0, 4, 100, txid)
    digest = 0xCBF29CE484222325
    for byte in fields:
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    page = struct.pack("<QHHI", number, _META, 0, 0) + fields + struct.pack("<Q", digest)
    return page.ljust(page_bytes, b"\0")


def leaf_page(number: int, content: Node, page_bytes: int = PAGE_BYTES) -> bytes:
    """A leaf page with as many continuing pages as it needs."""
    body = _leaf(number, content)
    further = -(-len(body) // page_bytes) - 1
    body = body[:12] + struct.pack("<I", further) + body[16:]
    return body.ljust((further + 1) * page_bytes, b"\0")


def branch_page(number: int, children: Sequence[tuple[bytes, int]]) -> bytes:
    """A branch page: (first key, page) of each child."""
    head = struct.pack("<QHHI", number, _BRANCH, len(children), 0)
    elements, data = b"", b""
    for place, (key, page) in enumerate(children):
        offset = 16 * (len(children) - place) + len(data)
        elements += struct.pack("<IIQ", offset, len(key), page)
        data += key
    return (head + elements + data).ljust(PAGE_BYTES, b"\0")


def _leaf(number: int, content: Node) -> bytes:
    items = sorted(content.items())
    elements, data = b"", b""
    for place, (key, value) in enumerate(items):
        nested = not isinstance(value, bytes)
        encoded = value if isinstance(value, bytes) else struct.pack("<QQ", 0, 0) + _leaf(0, value)
        offset = 16 * (len(items) - place) + len(data)
        elements += struct.pack("<IIII", int(nested), offset, len(key), len(encoded))
        data += key + encoded
    return struct.pack("<QHHI", number, _LEAF, len(items), 0) + elements + data


def hex64(word: str) -> str:
    """A name of 64 hex digits that stands for `word`."""
    return hashlib.sha256(word.encode()).hexdigest()


def build_name(word: str) -> str:
    """A name of 25 characters, as BuildKit gives them."""
    return hex64(word)[:25]


def write(path: Path, content: str | bytes | object) -> Path:
    """A file with its folders; anything but text and bytes is written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(json.dumps(content))
    return path


@dataclass
class GraphRoot:
    """A Docker root with a graph driver, filled step by step."""

    root: Path
    driver: str = "overlay2"
    layers: str = "overlay2"
    snapshots: dict[bytes, Node] = field(default_factory=dict)
    records: dict[bytes, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("layerdb/sha256", "layerdb/mounts", "layerdb/tmp", "imagedb/content/sha256"):
            (self.database / folder).mkdir(parents=True)
        (self.root / self.layers).mkdir(parents=True)
        (self.root / "containers").mkdir()

    @property
    def database(self) -> Path:
        return self.root / "image" / self.driver

    def directory(self, name: str, *, below: Sequence[str] = ()) -> Path:
        """A directory of the driver; on overlay2 with its short link and, when it stands on others, its `lower`."""
        path = self.root / self.layers / name
        path.mkdir()
        if self.layers == "overlay2":
            (path / "diff").mkdir()
            link = _short(name)
            write(path / "link", link)
            (self.root / self.layers / "l").mkdir(exist_ok=True)
            os.symlink(f"../{name}/diff", self.root / self.layers / "l" / link)
            if below:
                write(path / "lower", ":".join(f"l/{_short(one)}" for one in below))
        return path

    def layer(self, word: str, parent: str | None = None, *, directory: str | None = None) -> str:
        """A registered layer with its directory; its chain id."""
        diff = f"sha256:{hex64('diff ' + word)}"
        chain = diff if parent is None else "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest()
        row = self.database / "layerdb" / chain.replace(":", "/")
        name = directory or hex64("cache " + word)
        write(row / "cache-id", name)
        write(row / "diff", diff)
        write(row / "size", "1234")
        if parent is not None:
            write(row / "parent", parent)
        if not (self.root / self.layers / name).exists():
            self.directory(name)
        return chain

    def image(self, word: str, diffs: Sequence[str], tags: Sequence[str] = ()) -> str:
        """An image of the layers whose words are `diffs`; its id."""
        config = {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{hex64('diff ' + diff)}" for diff in diffs]}}
        name = hex64("image " + word)
        write(self.database / "imagedb/content/sha256" / name, config)
        path = self.database / "repositories.json"
        known = json.loads(path.read_text())["Repositories"] if path.exists() else {}
        for tag in tags:
            known.setdefault(tag.partition(":")[0], {})[tag] = f"sha256:{name}"
        write(path, {"Repositories": known})
        return f"sha256:{name}"

    def container(self, word: str, parent: str, log: Mapping[str, object] | None = None) -> str:
        """A container on a chain, with its two directories; its id."""
        name, mount = hex64("container " + word), hex64("mount " + word)
        row = self.database / "layerdb/mounts" / name
        write(row / "mount-id", mount)
        write(row / "init-id", f"{mount}-init")
        write(row / "parent", parent)
        self.directory(mount)
        self.directory(f"{mount}-init")
        write(
            self.root / "containers" / name / "hostconfig.json",
            {"LogConfig": log or {"Type": "json-file", "Config": {}}},
        )
        return name

    def build_record(self, word: str, snapshot: Node, **fields: str) -> str:
        """A cache record and its snapshot of the same name; the record's id."""
        name = build_name(word)
        self.snapshots[name.encode()] = snapshot
        self.records[name.encode()] = {
            f"cache.{key}".encode(): json.dumps({"value": value}).encode() for key, value in fields.items()
        }
        return name

    def save_build_cache(self) -> None:
        """Write BuildKit's bolt files."""
        write(self.root / "buildkit" / "snapshots.db", bolt_file(self.snapshots))
        write(self.root / "buildkit" / "metadata_v2.db", bolt_file({b"_main": self.records}))


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:26].upper()


def host(folder: Path, *mountinfo: str) -> Host:
    """A machine with one process that has these lines as its mountinfo."""
    write(
        folder / "proc" / "1" / "mountinfo",
        "".join(f"{line}\n" for line in mountinfo) or "1 1 0:1 / / rw - ext4 x rw\n",
    )
    return Host("test", Path("/"), folder / "proc", folder / "sys", folder / "dev", None, None)
