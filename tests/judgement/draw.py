"""Hosts drawn with a seed: random things, ages, sharing and growth, around one of the shapes that a full disk has."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tests.judgement.host import GIB, MIB, Host, Kind, Shared, Thing

_BIRDS = tuple(
    """heron kestrel plover osprey dunlin curlew linnet siskin merlin avocet bittern dipper fulmar gannet godwit
harrier hoopoe jackdaw kittiwake lapwing magpie nightjar oriole petrel quail redstart sanderling teal veery whimbrel
wryneck yaffle bunting chough dotterel eider firecrest goshawk hobby ibis knot lark martin nuthatch ouzel pipit rook
shrike tern wagtail wren""".split()  # noqa: SIM905
)


def hex64(text: str) -> str:
    """An id as engines make them."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Draw:
    """One host while it is being drawn."""

    rng: random.Random
    things: list[Thing] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.words = [*_BIRDS]
        self.rng.shuffle(self.words)

    def word(self) -> str:
        """One that no other name of this host has in it."""
        if not self.words:
            self.words = [f"{bird}{number}x" for number in range(9) for bird in _BIRDS]
        return self.words.pop()

    def size(self, least: int = 16 * MIB, most: int = 12 * GIB) -> int:
        """In whole blocks, small ones as likely as large ones."""
        return int(least * (most / least) ** self.rng.random()) // 4096 * 4096

    def age_h(self, kind: Kind) -> float:
        """Young or old, never on the border."""
        if kind is Kind.IMAGE:
            return self.rng.choice([2.0, 30.0, 24.0 * 20, 24.0 * 90])
        return self.rng.choice([0.5, 5.0, 24.0 * 5, 24.0 * 40])

    def add(self, kind: Kind, size: int | None = None, **more: object) -> Thing:
        """One more thing of this kind, with what else it needs to be there at all."""
        made = _MAKERS[kind](self, self.size() if size is None else size)
        made = replace(made, **more)  # type: ignore[arg-type]
        self.things.append(made)
        return made

    def share(self, size: int, things: Iterable[Thing]) -> None:
        """Bytes that all of these hold."""
        self.shared.append(Shared(size, frozenset(thing.name for thing in things)))

    def change(self, thing: Thing, **fields: object) -> None:
        """Another one in its place."""
        self.things[self.things.index(thing)] = replace(thing, **fields)  # type: ignore[arg-type]

    def of(self, *kinds: Kind) -> list[Thing]:
        return [thing for thing in self.things if thing.kind in kinds]


def _thing(draw: Draw, kind: Kind, name: str, key: str, size: int, used_by: str = "") -> Thing:
    inodes = draw.rng.randint(1, 400)
    return Thing(kind, name, key, size, inodes, draw.age_h(kind), used_by)


def _image(draw: Draw, size: int) -> Thing:
    name = f"shop/{draw.word()}:{draw.rng.randint(1, 9)}"
    return _thing(draw, Kind.IMAGE, name, f"sha256:{hex64(name)}", size)


def _dangling(draw: Draw, size: int) -> Thing:
    key = hex64(f"dangling {draw.word()}")
    return _thing(draw, Kind.DANGLING, key[:12], f"sha256:{key}", size)


def _running(draw: Draw, size: int) -> Thing:
    name = f"{draw.word()}-1"
    return _thing(draw, Kind.RUNNING, name, hex64(name), size, used_by=name)


def _stopped(draw: Draw, size: int) -> Thing:
    name = f"{draw.word()}-job"
    return _thing(draw, Kind.STOPPED, name, hex64(name), size)


def _log(draw: Draw, size: int) -> Thing:
    """Of a container that runs and that has no other log."""
    taken = {thing.key for thing in draw.of(Kind.LOG)}
    free = [thing for thing in draw.of(Kind.RUNNING) if thing.key not in taken]
    owner = draw.rng.choice(free) if free else draw.add(Kind.RUNNING, 4 * MIB)
    return replace(_thing(draw, Kind.LOG, f"log of {owner.name}", owner.key, size, used_by=owner.name), inodes=1)


def _volume(draw: Draw, size: int) -> Thing:
    name = f"{draw.word()}-data"
    running = draw.of(Kind.RUNNING)
    used_by = draw.rng.choice(running).name if running and draw.rng.random() < 0.6 else ""
    return _thing(draw, Kind.VOLUME, name, name, size, used_by)


def _cache(draw: Draw, size: int) -> Thing:
    word = draw.word()
    return _thing(draw, Kind.CACHE, f"RUN make {word}", hex64(word)[:25], size)


def _orphan(draw: Draw, size: int) -> Thing:
    name = hex64(f"orphan {draw.word()}")
    return _thing(draw, Kind.ORPHAN, name, f"/docker/overlay2/{name}", size)


def _download(draw: Draw, size: int) -> Thing:
    name = f"GetImageBlob{draw.word()}"
    return replace(_thing(draw, Kind.DOWNLOAD, name, f"/docker/tmp/{name}", size), idle_h=24.0 * 9)


def _directory(draw: Draw, size: int) -> Thing:
    path = f"/{draw.rng.choice(['srv', 'home', 'opt', 'backup'])}/{draw.word()}"
    return _thing(draw, Kind.DIRECTORY, path, path, size)


def _open(draw: Draw, size: int) -> Thing:
    word = draw.word()
    return replace(_thing(draw, Kind.OPEN, word, f"/var/tmp/{hex64(word)[:8]}", size), inodes=1)


def _snapshot(draw: Draw, size: int) -> Thing:
    path = f".snapshots/{draw.word()}"
    return _thing(draw, Kind.SNAPSHOT, path, path, size)


_MAKERS: dict[Kind, Callable[[Draw, int], Thing]] = {
    Kind.IMAGE: _image, Kind.DANGLING: _dangling, Kind.RUNNING: _running, Kind.STOPPED: _stopped, Kind.LOG: _log,
    Kind.VOLUME: _volume, Kind.CACHE: _cache, Kind.ORPHAN: _orphan, Kind.DOWNLOAD: _download,
    Kind.DIRECTORY: _directory, Kind.OPEN: _open, Kind.SNAPSHOT: _snapshot,
}  # fmt: skip


def _crowd(draw: Draw, most: int = 14) -> None:
    """Some of everything."""
    kinds = [kind for kind in Kind if kind is not Kind.SNAPSHOT]
    draw.add(Kind.RUNNING, 8 * MIB)
    for _ in range(draw.rng.randint(3, most)):
        draw.add(draw.rng.choice(kinds))


def _dominant(draw: Draw) -> None:
    """One thing larger than all others together."""
    _crowd(draw, 8)
    kind = draw.rng.choice([k for k in Kind if k is not Kind.SNAPSHOT])
    draw.add(kind, int(sum(thing.own_bytes for thing in draw.things) * draw.rng.uniform(1.2, 4)) // 4096 * 4096)


def _twins(draw: Draw) -> None:
    """Two that are nearly equal, and much larger than the others."""
    draw.add(Kind.RUNNING, 8 * MIB)
    for _ in range(draw.rng.randint(2, 6)):
        draw.add(draw.rng.choice([k for k in Kind if k is not Kind.SNAPSHOT]), draw.size(16 * MIB, 300 * MIB))
    size = draw.size(4 * GIB, 20 * GIB)
    for kind in draw.rng.sample([Kind.VOLUME, Kind.RUNNING, Kind.LOG, Kind.DIRECTORY, Kind.IMAGE, Kind.ORPHAN], 2):
        draw.add(kind, int(size * draw.rng.uniform(0.97, 1.0)) // 4096 * 4096)


def _many(draw: Draw) -> None:
    """One class of many, none of which is worth a name."""
    _crowd(draw, 5)
    kind = draw.rng.choice([Kind.CACHE, Kind.DANGLING, Kind.LOG, Kind.VOLUME, Kind.IMAGE, Kind.ORPHAN])
    size = draw.size(600 * MIB, 3 * GIB)
    for _ in range(draw.rng.randint(8, 16)):
        draw.add(kind, int(size * draw.rng.uniform(0.8, 1.25)) // 4096 * 4096)


def _sharing(draw: Draw) -> None:
    """Images and cache that hold the same layers: nothing of it comes free before the last of them goes."""
    _crowd(draw, 6)
    for _ in range(draw.rng.randint(2, 5)):
        draw.add(Kind.IMAGE)
    for _ in range(draw.rng.randint(1, 4)):
        draw.add(Kind.CACHE)
    pool = draw.of(Kind.IMAGE, Kind.DANGLING, Kind.CACHE)
    for _ in range(draw.rng.randint(2, 6)):
        draw.share(draw.size(64 * MIB, 6 * GIB), draw.rng.sample(pool, draw.rng.randint(2, min(4, len(pool)))))


def _snapshots(draw: Draw) -> None:
    """btrfs: snapshots hold what volumes and directories still hold, and what is gone from them."""
    _crowd(draw, 6)
    found = [draw.add(Kind.SNAPSHOT) for _ in range(draw.rng.randint(1, 3))]
    for thing in draw.of(Kind.VOLUME):
        draw.share(draw.size(64 * MIB, 4 * GIB), [thing, *draw.rng.sample(found, draw.rng.randint(1, len(found)))])


def _inodes(draw: Draw) -> None:
    """Millions of small files in one or two things."""
    _crowd(draw, 8)
    files = [thing for thing in draw.things if thing.kind not in (Kind.OPEN, Kind.LOG)]
    for thing in draw.rng.sample(files, draw.rng.randint(1, 2)):
        draw.change(thing, inodes=draw.rng.randint(400_000, 900_000))


def _cut(draw: Draw) -> None:
    """A walk that ended before its time: of some things only a part was seen."""
    _crowd(draw)
    kinds = (Kind.VOLUME, Kind.RUNNING, Kind.IMAGE, Kind.ORPHAN, Kind.CACHE)
    draw.add(Kind.VOLUME)
    left = draw.of(*kinds)
    for thing in draw.rng.sample(left, draw.rng.randint(1, len(left))):
        draw.change(thing, read_share=draw.rng.choice([0.0, 0.1, 0.5, 0.9]))


def _growing(draw: Draw) -> None:
    """Something that was always large, and something smaller that grows."""
    _crowd(draw, 6)
    size = draw.size(6 * GIB, 16 * GIB)
    draw.add(Kind.VOLUME, size)
    kind = draw.rng.choice([Kind.LOG, Kind.RUNNING, Kind.VOLUME])
    own = int(size * draw.rng.uniform(0.3, 0.8)) // 4096 * 4096
    draw.add(kind, own, grows_bytes_per_day=own // draw.rng.randint(2, 6))


SHAPES: dict[str, Callable[[Draw], None]] = {
    "crowd": _crowd,
    "dominant": _dominant,
    "twins": _twins,
    "many": _many,
    "sharing": _sharing,
    "snapshots": _snapshots,
    "inodes": _inodes,
    "cut": _cut,
    "growing": _growing,
    "quiet": _crowd,
}


def draw(seed: int) -> Host:
    """The host of this seed. Seeds go through the shapes in turn."""
    rng = random.Random(f"judgement {seed}")
    shape = list(SHAPES)[seed % len(SHAPES)]
    one = Draw(rng)
    SHAPES[shape](one)
    _put_to_use(one)
    own, stray = one.size(8 * MIB, 200 * MIB), rng.choice([0, 0, 4096])
    held = sum(thing.own_bytes for thing in one.things) + sum(part.bytes for part in one.shared)
    percent = {"quiet": rng.uniform(20, 65), "inodes": rng.uniform(20, 65)}.get(shape, rng.uniform(71, 99))
    total = int((held + own + stray) / percent * 100) // 4096 * 4096
    inodes = sum(thing.inodes for thing in one.things)
    short = rng.uniform(0.91, 0.99) if shape == "inodes" else rng.uniform(0.05, 0.5)
    return Host(
        seed=seed,
        shape=shape,
        fstype="btrfs" if shape == "snapshots" else rng.choice(["ext4", "xfs"]),
        things=tuple(one.things),
        shared=tuple(one.shared),
        own_bytes=own,
        stray_bytes=stray,
        total_bytes=total,
        inodes=0 if shape == "snapshots" else int(inodes / short),
        target_percent=rng.choice([50, 60, 70, 80]),
    )


def _put_to_use(one: Draw) -> None:
    """Some images are those of containers, some records were built on others or are in use, some things are kept."""
    for container in one.of(Kind.RUNNING, Kind.STOPPED):
        free = [thing for thing in one.of(Kind.IMAGE) if not thing.used_by and not thing.needs]
        if free and one.rng.random() < 0.3:
            stopped = container.kind is Kind.STOPPED
            image = one.rng.choice(free)
            one.change(image, needs=container.name) if stopped else one.change(image, used_by=container.name)
    for child, parent in pairwise(one.of(Kind.CACHE)):
        if one.rng.random() < 0.3:
            one.change(parent, needs=child.name, idle_h=max(parent.idle_h, child.idle_h))
    for thing in one.of(Kind.CACHE):
        if one.rng.random() < 0.1:
            one.change(thing, used_by="a build")
    for thing in one.of(Kind.IMAGE, Kind.STOPPED, Kind.VOLUME):
        if one.rng.random() < 0.1:
            one.change(thing, kept=True)
