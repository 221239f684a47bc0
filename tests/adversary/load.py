"""`python -m tests.adversary.load [--applies 200] [--drivers overlay2,btrfs] [--ages default,none]`: what broke.

Clients build with BuildKit, run and end containers, load images and move names without a pause, and one destructive
`--apply` comes after the other, as quickly as it can. After each every container that nobody ended has to live, with
its root filesystem whole, and every image that has a name has to save, with every layer what its digest says. With the
default ages no build may break; with none what a build has not named yet is anybody's to remove, and it is counted.
Needs root. The status is 1 where something broke.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import signal
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from collectors.cli.reclaim import at_tier
from collectors.model.plan import Risk
from collectors.model.settings import Rules
from collectors.reclaim import engine_and_disk
from tests.adversary.api import Api
from tests.adversary.world import walks_as_urgent_as_the_rest
from tests.lab import Lab
from tests.lab.commands import CommandFailed
from tests.lab.messes.leak import plant
from tests.reclaim.reclaiming import NO_AGES, Reclaiming

ENGINES = {"overlay2": "20.10", "btrfs": "20.10", "containerd": "28.5"}
AGES = {"default": Rules(), "none": NO_AGES}
GRACE_S = 10.0  # in place of an hour: what is being written has to be told from what nobody knows, not only to be young
BASE = "base:1"
_RUNNING = 4
_BUILT = f"FROM {BASE}\nCOPY data /data\nRUN head -c 200000 /dev/urandom > /made && sleep 0.2\nRUN cat /made > /twice\n"


@dataclass
class Load:
    """Clients of one engine, each a thread. `living`: the containers that nobody ended, and the SHA-256 of their
    `/data`; it changes under `ending` only. `every_s`: a client begins no sooner again."""

    lab: Lab
    every_s: float = 0.0
    broken_builds: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    living: dict[str, str] = field(default_factory=dict)
    ending: threading.Lock = field(default_factory=threading.Lock)
    ended_early: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)
    _turns: tuple[threading.Lock, ...] = field(default_factory=lambda: tuple(threading.Lock() for _ in range(4)))

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """All clients are at work in here."""
        threads = [
            threading.Thread(target=self._keep_on, args=(step, number))
            for number, step in enumerate((self._build, self._run, self._load, self._tag))
        ]
        self._go.set()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(120)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Every client has ended what it did, and does nothing in here: no name moves."""
        self._go.clear()
        try:
            with contextlib.ExitStack() as held:
                for turn in self._turns:
                    held.enter_context(turn)
                yield
        finally:
            self._go.set()

    def _keep_on(self, step: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(number)
        next_s = 0.0
        while not self._stop.wait(max(0.0, next_s - time.monotonic())):
            self._go.wait()
            next_s = time.monotonic() + self.every_s
            # What it wanted to use is gone: that is its own affair.
            with self._turns[number], contextlib.suppress(CommandFailed):
                step(chance)
                self.done[step.__name__[1:]] += 1

    def _build(self, chance: random.Random) -> None:
        data = bytes([chance.randrange(6)]) * 100_000  # some of it is in the cache
        name = f"built/app:{chance.randrange(5)}"
        try:
            self.lab.build(name, {"Dockerfile": _BUILT, "data": data}, args=("--label", f"n={chance.random()}"))
        except CommandFailed as error:
            if not self._stop.is_set():
                self.broken_builds.append(str(error))
            raise

    def _run(self, chance: random.Random) -> None:
        name = f"worker-{chance.randrange(1 << 40):x}"
        self.lab.client.run(f"built/app:{chance.randrange(5)}", name, "exec sleep 100000")
        with self.ending:
            self.living[name] = content(self.lab, name)
            oldest = next(iter(self.living)) if len(self.living) > _RUNNING else ""
            if oldest:
                del self.living[oldest]
        if oldest:
            self.lab.docker(*chance.choice((("rm", "-f"), ("kill",))), oldest)

    def _load(self, chance: random.Random) -> None:
        self.lab.client.load_image(f"loaded/app:{chance.randrange(4)}", [{f"f{layer}": 100_000} for layer in range(3)])

    def _tag(self, chance: random.Random) -> None:
        of = chance.choice(("built", "loaded"))
        self.lab.docker("tag", f"{of}/app:{chance.randrange(4)}", f"kept/app:{chance.randrange(3)}")
        time.sleep(0.2)


def content(lab: Lab, container: str) -> str:
    """The SHA-256 of a file of its image, read through its process; "" where it has none, or does not live."""
    pid = lab.docker("inspect", "-f", "{{.State.Pid}}", container).strip()
    try:
        root = Path(f"/proc/{pid}/root")
        whole = (root / "made").read_bytes() == (root / "twice").read_bytes()
        return hashlib.sha256((root / "data").read_bytes()).hexdigest() if whole else ""
    except OSError:
        return ""


def not_whole(load: Load) -> Iterator[str]:
    """Containers that nobody ended and that do not live as they did."""
    with load.ending:
        for name, was in load.living.items():
            try:
                now = content(load.lab, name)
            except CommandFailed as error:
                now = str(error)
            if now != was or not was:
                yield f"container {name}: {now or 'not whole'}"


def not_saved(lab: Lab) -> Iterator[str]:
    """Names of images that the engine does not give out whole; while none moves."""
    api = Api(lab.socket)
    for image in api.get("/images/json"):
        names = [name for name in image["RepoTags"] or () if "<none>" not in name]
        why = torn(api.ask("GET", f"/images/{image['Id']}/get").body) if names else ""
        if why:
            yield f"{names}: {why}"


def torn(saved: bytes) -> str:
    """Why what `docker save` gave is not an image, "" where it is one."""
    try:
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
            (manifest,) = json.loads(_member(tar, "manifest.json"))
            config = json.loads(_member(tar, manifest["Config"]))
            for path, diff_id in zip(manifest["Layers"], config["rootfs"]["diff_ids"], strict=True):
                there = hashlib.sha256(_member(tar, path)).hexdigest()
                # The layers of an OCI layout are packed, and called as what they are.
                if there != (Path(path).name if path.startswith("blobs/") else diff_id.removeprefix("sha256:")):
                    return f"{path} is not what it was"
    except (tarfile.TarError, KeyError, ValueError) as error:
        return f"{error!r}, {saved[:200]!r}"
    return ""


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()


@dataclass
class Applied:
    """So many applies with one kind of ages. `broken`: in words; `removed` and `left` (an orphan is, while a layer is
    being written): things by their kind; `done`: by client."""

    count: int = 0
    took_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    broken_builds: list[str] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)


def applies(lab: Lab, every: Sequence[str], count: int, every_s: float = 0.0) -> dict[str, Applied]:
    """So many destructive applies with each kind of ages, one after the other under one load."""
    lab.client.base_image(BASE)
    load = Load(lab, every_s)

    def end(*_: object) -> None:
        load.ended_early = True

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)  # what was seen is told all the same
    with (
        tempfile.TemporaryDirectory() as state,
        load.going_on(),
        walks_as_urgent_as_the_rest(),
        patch.object(engine_and_disk, "settle", lambda *_: ""),  # under load the fill is never steady
    ):
        _plant(lab)
        time.sleep(GRACE_S + 0.5)
        return {ages: _applied(load, Path(state), ages, count) for ages in every}


def _applied(load: Load, state: Path, ages: str, count: int) -> Applied:
    seen, began = Applied(), time.monotonic()
    builds, done = len(load.broken_builds), Counter(load.done)
    reclaiming = Reclaiming(load.lab, state, replace(AGES[ages], images=(BASE,)), GRACE_S)
    while seen.count < count and not load.ended_early:
        _plant(load.lab)
        looked = reclaiming.look()
        chosen = frozenset(step.id for step in at_tier(looked.report.plan, Risk.DESTRUCTIVE))
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, steps=chosen)
        seen.count += 1
        for target in (target for step in outcome.steps for target in step.targets):
            (seen.removed if target.removed else seen.left)[target.target.kind.value] += 1
        with load.still():
            seen.broken += [f"apply {seen.count}: {words}" for words in (*not_whole(load), *not_saved(load.lab))]
    seen.took_s, seen.done = time.monotonic() - began, load.done - done
    seen.broken_builds = load.broken_builds[builds:]
    return seen


def _plant(lab: Lab) -> None:
    """An orphan, for a graph driver: with the default ages nothing else on a young machine may go."""
    if lab.driver != "containerd":
        plant(lab, os.urandom(32).hex(), 20_000)


def main() -> int:
    """The exit status."""
    asked = argparse.ArgumentParser(prog="python -m tests.adversary.load", description=__doc__)
    asked.add_argument("--drivers", default=",".join(ENGINES))
    asked.add_argument("--ages", default=",".join(AGES))
    asked.add_argument("--applies", type=int, default=200, help="of each driver and age")
    options = asked.parse_args()
    return int(any([_tried(driver, options.ages.split(","), options.applies) for driver in options.drivers.split(",")]))


def _tried(driver: str, every: Sequence[str], count: int) -> bool:
    """Run it, and say on stdout what broke. Did something?"""
    with Lab.up(driver=driver, engine=ENGINES[driver], mess="empty", size_mib=6144) as lab:
        ended = applies(lab, every, count)
    for ages, seen in ended.items():
        for words in (*seen.broken, *(f"build: {words}" for words in seen.broken_builds)):
            print(f"{driver}, ages {ages}: {words}")
        print(
            f"{driver}, ages {ages}: {seen.count} applies in {seen.took_s:.0f} s; removed {dict(seen.removed)}, "
            f"left {dict(seen.left)}; meanwhile {dict(seen.done)}; {len(seen.broken)} broken, "
            f"{len(seen.broken_builds)} builds broken",
            flush=True,
        )
    return any(seen.broken or (ages == "default" and seen.broken_builds) for ages, seen in ended.items())


if __name__ == "__main__":
    sys.exit(main())
