"""Text from outside that decides something: mount table, daemon.json, docker contexts, layer database, our own config.

- mountinfo: mounts of any bytes, written as the kernel writes them, are read back as they were; a damaged table is read
  or refused. What can be read is read line by line as it is read together.
- daemon.json, contexts, layer database, config: an answer of the right shape, or the refusal that the reader promises.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

from collectors.cli import command_line
from collectors.drivers import files, layerdb
from collectors.engine import locality
from collectors.engine.endpoint import current_context, stored_context
from collectors.model.settings import Thresholds
from collectors.system import mountinfo
from collectors.system.deadline import Malformed
from tests.fuzz.change import damaged
from tests.fuzz.change_json import changed
from tests.fuzz.target import Target

_MOUNTS = (
    b"22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
    b"97 22 0:45 /@docker /srv rw,noatime shared:45 master:2 - btrfs /dev/sdb rw,space_cache=v2,subvolid=258\n"
    b"142 97 0:60 / /srv/overlay2/1f\\040x/merged rw - overlay overlay rw,lowerdir=l/A:l/B,upperdir=1f/diff\n"
)
_DAEMON = json.dumps(
    {
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "3"},
        "builder": {"gc": {"enabled": True, "defaultKeepStorage": "20GB", "policy": [{"keepStorage": "10GB"}]}},
    }
).encode()
_CONTEXT = json.dumps(
    {
        "currentContext": "lab",
        "Endpoints": {"docker": {"Host": "ssh://ops@lab", "SkipTLSVerify": False}},
    }
).encode()
_CONFIG = b"""\
[thresholds]
%b = 85
%b = 2.5
[keep]
labels = ["keep=true"]
images = ["shop/*:release-*"]
image_age_s = 604800
log_bytes = 1048576
"""


def _room() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


# mountinfo


def _escaped(raw: bytes) -> bytes:
    """As the kernel's seq_path writes it: these four characters and the hash sign, nothing else."""
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in raw)


def _name(random: Random) -> bytes:
    odd = random.choice(
        (b"a", b" - ", b"\r", b"\n", b"\\", b"\\040", b"#", b"\x0b", b"\x1c", b"\xc2\x85", b"\xff", b"\x1b[2J")
    )
    return b"/" + odd + random.randbytes(random.randrange(4)).replace(b"\0", b"")


def _table(names: list[tuple[bytes, ...]]) -> bytes:
    """As the kernel writes it."""
    lines = (
        b"%d 1 0:%d %s %s rw,relatime%s - ext4 %s rw\n"
        % (number, number, _escaped(root), _escaped(point), b" shared:1" * (number % 3), _escaped(source))
        for number, (root, point, source) in enumerate(names)
    )
    return b"".join(lines)


def _composed(random: Random) -> bytes:
    """A case that carries its own answer: the names, then the table."""
    names = [(_name(random), _name(random), _name(random)) for _ in range(random.randint(1, 4))]
    return b"+" + json.dumps([[part.hex() for part in name] for name in names]).encode() + b"\n" + _table(list(names))


def _mutate_mounts(random: Random, case: bytes) -> bytes:
    if random.random() < 0.4:
        return _composed(random)
    table = case.partition(b"\n")[2] if case.startswith(b"+") else case[1:]
    return b"-" + damaged(random, table, 3)


def _judge_mounts(case: bytes) -> str:
    if case.startswith(b"+"):
        told, _, table = case[1:].partition(b"\n")
        try:
            wanted = [tuple(bytes.fromhex(part) for part in name) for name in json.loads(told)]
            written = _table(wanted)
        except (ValueError, TypeError):
            return "no case"
        if table != written:
            return "no case"
        found = mountinfo.parse(table)
        read = [tuple(map(os.fsencode, (one.root, one.mountpoint, one.source))) for one in found]
        assert read == wanted, "another mount than the kernel wrote"
        return "read back"
    table = case[1:]
    try:
        found = mountinfo.parse(table)
    except Malformed:
        return "malformed"
    singly = [mountinfo.parse(line) for line in table.split(b"\n") if line]
    assert found == tuple(mount for one in singly for mount in one), "a line is read differently among others"
    for mount in found:
        os.fsencode(mount.mountpoint + mount.root + mount.source)
    return "answered"


# daemon.json and contexts


def _judge_settings(case: bytes) -> str:
    try:
        found = locality.decode("daemon.json", case)
    except Malformed:
        return "malformed"
    assert isinstance(found.logs_bounded, bool)
    assert isinstance(found.build_cache_bounded, bool)
    return "answered"


def _judge_contexts(case: bytes) -> str:
    """The same text as the client's configuration and as the context that it names."""
    with tempfile.TemporaryDirectory(dir=_room()) as place:
        folder = Path(place)
        (folder / "config.json").write_bytes(case)
        name = current_context(folder)
        found = stored_context(folder, name)
        assert found is None
        meta = folder / "contexts" / "meta" / _LAB
        meta.mkdir(parents=True)
        (meta / "meta.json").write_bytes(case)
        found = stored_context(folder, "lab")
    if found is None:
        return "no such context"
    assert isinstance(found.host, str)
    return "a context"


_LAB = hashlib.sha256(b"lab").hexdigest()


# layer database


@cache
def _words() -> dict[str, bytes]:
    digest = b"sha256:" + b"a1" * 32
    return {"cache-id": b"f0" * 32, "size": b"4096", "diff": digest, "parent": digest}


def _layer_seeds() -> tuple[bytes, ...]:
    return (json.dumps({name: word.hex() for name, word in _words().items()}).encode(),)


def _mutate_layer(random: Random, case: bytes) -> bytes:
    words: dict[str, str] = json.loads(case)
    name = random.choice(sorted(_words()))
    content = bytes.fromhex(words.get(name, ""))
    other = random.choice(
        (
            b"",
            b"\n",
            b".",
            b"..",
            b"../../x",
            b"/",
            b"a\0b",
            b"9" * 4096,
            b"9" * 5000,
            b"-1",
            b"\xb2",
            b"sha256:",
            b"x" * 300,
        )
    )
    words[name] = (other if random.random() < 0.4 else damaged(random, content, 2)).hex()
    if random.random() < 0.1:
        del words[name]
    return json.dumps(words).encode()


def _judge_layer(case: bytes) -> str:
    try:
        words = {name: bytes.fromhex(word) for name, word in json.loads(case).items() if name in _words()}
    except (ValueError, TypeError, AttributeError):
        return "no case"
    with tempfile.TemporaryDirectory(dir=_room()) as place:
        database = Path(place)
        rows = [database / "sha256" / ("b2" * 32), database / "mounts" / ("c3" * 32), database / "tmp" / "write-set-1"]
        for row in rows:
            row.mkdir(parents=True)
            for name, word in words.items():
                (row / name.replace("cache-id", "mount-id" if "mounts" in row.parts else "cache-id")).write_bytes(word)
        with mock.patch.object(files, "_SECOND_LOOK_S", 0.0):  # nobody writes these files
            found = layerdb.layers(database)
            mounts = layerdb.container_layers(database)
        with contextlib.suppress(Malformed):
            layerdb.removing(database)
        with contextlib.suppress(Malformed):
            layerdb.writes(database)
    for layer in found.good:
        assert layer.size_bytes >= 0
        assert Path("/driver", layer.cache_id).parent == Path("/driver"), "a directory outside the driver's"
    for name in (*(layer.cache_id for layer in found.good), *(mount.mount_id for mount in mounts.good)):
        assert name not in (".", ".."), "a directory outside the driver's"
        assert "\0" not in name, "no directory's name"
    return "a layer" if found.good else "refused"


# our own configuration


def _config_seeds() -> tuple[bytes, ...]:
    names = sorted(Thresholds.__dataclass_fields__)
    return tuple(_CONFIG % (one.encode(), other.encode()) for one, other in itertools.pairwise(names))


def _mutate_config(random: Random, case: bytes) -> bytes:
    lines = case.split(b"\n")
    at = random.randrange(len(lines))
    key, equals, _ = lines[at].partition(b" = ")
    values = (
        b"inf",
        b"-inf",
        b"nan",
        b"1e400",
        b"9" * 5000,
        b"-1",
        b"true",
        b'"x"',
        b"[]",
        b"[1]",
        b"{}",
        b"0x" + b"f" * 5000,
    )
    more = (
        b"[" * 2000,
        b"{a=" * 2000,
        b"1979-05-27",
        b"9999-12-31T23:59:59-23:59",
        b"0",
        b"1_0",
        b'["a"]',
        b'"\\ud800"',
    )
    if equals and random.random() < 0.6:
        lines[at] = key + equals + random.choice(values + more)
        return b"\n".join(lines)
    return damaged(random, case, 3)


def _judge_config(case: bytes) -> str:
    with tempfile.TemporaryDirectory(dir=_room()) as place:
        path = Path(place) / "config.toml"
        path.write_bytes(case)
        try:
            found = command_line.load(str(path))
        except command_line.BadConfig as bad:
            return "refused" if str(bad) else ""
    for value in (
        *astuple(found.settings.thresholds),
        *(one for one in astuple(found.settings.keep) if one is not None and not isinstance(one, tuple)),
    ):
        assert 0 <= value < float("inf"), "a threshold that is no number"
    return "taken"


def _changed(random: Random, case: bytes) -> bytes:
    return changed(random, case)


def _given(*seeds: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: seeds


TARGETS = (
    Target(
        "mountinfo",
        "the mount table, damaged; and any names as the kernel writes them",
        _given(b"-" + _MOUNTS),
        _mutate_mounts,
        _judge_mounts,
        ("collectors.system.mountinfo",),
    ),
    Target(
        "daemon.json",
        "the engine's settings",
        _given(_DAEMON),
        _changed,
        _judge_settings,
        ("collectors.engine.locality",),
    ),
    Target(
        "contexts",
        "the docker client's config.json and a context's meta.json",
        _given(_CONTEXT),
        _changed,
        _judge_contexts,
        (),
    ),
    Target(
        "layerdb",
        "cache-id, size, diff, parent of a layer and of a container",
        _layer_seeds,
        _mutate_layer,
        _judge_layer,
        (),
    ),
    Target("config", "ullage's own configuration, TOML", _config_seeds, _mutate_config, _judge_config, ()),
)
