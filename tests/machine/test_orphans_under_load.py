"""While images are built, imported, committed and pruned at once: no false orphan, and no planted one missed.

It ends by what was done and seen, not by the clock: a busy machine makes it longer, an idle one the load no heavier. An
orphan is what two runs in a row call one. In use they are twenty minutes apart; here a path is confirmed once every
pass of some seconds has called it one, which a busy engine's half-done removal does not last.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from collectors.drivers import store
from collectors.model.reading import Exact
from collectors.model.store import Orphanhood, Store
from collectors.system.deadline import this_host
from tests.lab import Lab
from tests.lab.commands import CommandFailed
from tests.lab.messes.leak import plant
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1024 * 1024
# From a directory to its entry in the database a slow disk may take seconds; what is there for longer is to be known.
GRACE_S = 10.0
PAUSE_S = 0.4
CONFIRM_S = 6.0
LOOKS_COUNT = 24
ACTS_COUNT = 18  # of each client
EVERY_S = 1.5  # a client begins no sooner again, and goes on until all have done their part
LONGEST_S = 180.0
# At first build cache goes as soon as it is there; then it stays for so long that a look which does not know whose it
# is would confirm it.
_PRUNED_AT_ONCE = ACTS_COUNT // 3
_KEPT_S = GRACE_S + CONFIRM_S + 2.0

_RUN = "FROM base:1\nCOPY data /data{0}\nRUN head -c 1000000 /dev/urandom > /made{0} && sleep 0.{0}\n"


class Load:
    """A few clients that keep an engine busy until they are told to stop. A refused command is part of the load."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        steps = (self._buildkit, self._legacy, self._import, self._commit, self._prune)
        self.done = {step.__name__: 0 for step in steps}
        self._threads = [threading.Thread(target=self._keep_on, args=(step,), name=step.__name__) for step in steps]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _keep_on(self, step: Callable[[random.Random, int], None]) -> None:
        chance = random.Random(step.__name__)
        for number in range(1 << 30):
            next_s = time.monotonic() + EVERY_S
            with contextlib.suppress(CommandFailed):
                step(chance, number)
                self.done[step.__name__] += 1
            if self._stop.wait(max(0.0, next_s - time.monotonic())):
                return

    @property
    def has_done_its_part(self) -> bool:
        """Every client, so often as it has to."""
        return min(self.done.values()) >= ACTS_COUNT

    def _buildkit(self, chance: random.Random, number: int) -> None:
        files: dict[str, bytes | str] = {"Dockerfile": _RUN.format(chance.randrange(1, 9)), "data": os.urandom(200_000)}
        self._lab.build(f"built:{number % 3}", files, buildkit=True)

    def _legacy(self, chance: random.Random, number: int) -> None:
        files: dict[str, bytes | str] = {"Dockerfile": _RUN.format(chance.randrange(1, 9)), "data": os.urandom(200_000)}
        self._lab.build(f"legacy:{number % 3}", files, buildkit=False)

    def _import(self, chance: random.Random, number: int) -> None:
        del chance
        self._lab.client.load_image(f"loaded:{number % 4}", [{f"f{layer}": 300_000} for layer in range(5)])
        if number % 4 == 3:
            self._lab.docker("rmi", "-f", "loaded:0", "loaded:1", "loaded:2")

    def _commit(self, chance: random.Random, number: int) -> None:
        name = f"worker-{number}"
        self._lab.docker(
            "run", "--network", "none", "--name", name, "base:1", "sh", "-c", "head -c 2000000 /dev/urandom > /x"
        )
        self._lab.docker("commit", name, f"committed:{chance.randrange(3)}")
        self._lab.docker("rm", "-f", name)

    def _prune(self, chance: random.Random, number: int) -> None:
        self._stop.wait(chance.uniform(0.0, EVERY_S))
        words = chance.choice([("builder", "prune", "-af"), ("image", "prune", "-f"), ("builder", "prune", "-f")])
        kept = ("--filter", f"until={_KEPT_S:g}s") if "builder" in words and number >= _PRUNED_AT_ONCE else ()
        self._lab.docker(*words, *kept)


@pytest.fixture(params=[("overlay2", "20.10"), ("btrfs", "20.10"), ("overlay2", "28.5")], ids="-".join)
def graph_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    driver, engine = request.param
    with Lab.up(driver=driver, engine=engine, mess="empty", size_mib=3072) as lab:
        lab.client.base_image()
        yield lab


@pytest.fixture(params=[("containerd", "28.5")], ids="-".join)
def contained_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    driver, engine = request.param
    with Lab.up(driver=driver, engine=engine, mess="empty", size_mib=3072) as lab:
        lab.client.base_image()
        yield lab


def test_exactly_the_planted_layers_are_orphans_all_the_time(graph_lab: Lab) -> None:
    planted = {
        str(plant(graph_lab, name, MIB)) for name in ("ab" * 32, f"{'cd' * 32}-init", "abcdefghijklmnopqrstuvwxy")
    }
    observe(graph_lab, planted)


def test_a_planted_snapshot_is_an_orphan_until_containerd_collects_it_and_nothing_else_is(contained_lab: Lab) -> None:
    folder = contained_lab.docker_root / "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/999999"
    (folder / "fs").mkdir(parents=True)
    observe(contained_lab, {str(folder)})
    assert not folder.exists()  # so the note of its proof promises no more than containerd keeps


def observe(lab: Lab, planted: set[str]) -> None:
    """Pass after pass under load. Prints what a single pass would have got wrong."""
    time.sleep(GRACE_S + 0.5)
    passes, alone, confirmed, unread = 0, 0, set[str](), 0
    since: dict[str, float] = {}  # when each was first called an orphan, without a pass since that did not
    began = time.monotonic()
    with Load(lab) as load:
        while not load.has_done_its_part or passes < LOOKS_COUNT:
            assert time.monotonic() < began + LONGEST_S, f"{passes} passes, {unread} unread; {load.done}"
            found = one_pass(lab)
            assert isinstance(found.orphans, Exact), found.orphans
            proofs = found.orphans.value
            if any(proof.unread for proof in proofs):
                unread += 1
                assert not [proof for proof in proofs if proof.verdict is Orphanhood.ORPHAN]
                continue
            orphans: set[str] = {proof.unit for proof in proofs if proof.verdict is Orphanhood.ORPHAN}
            assert {path for path in planted if os.path.exists(path)} <= orphans
            passes += 1
            alone += len(orphans - planted)
            now = time.monotonic()
            since = {path: since.get(path, now) for path in orphans - planted}
            confirmed |= {path for path, first in since.items() if now - first >= CONFIRM_S}
            time.sleep(PAUSE_S)
    seen = f"{passes} passes, {unread} unread, {alone} wrong in a single pass"
    print(f"{lab.driver} {lab.engine}: {seen}; {load.done} in {time.monotonic() - began:.0f} s")
    assert confirmed == set()
    assert unread <= passes / 10


def one_pass(lab: Lab) -> Store:
    reading = store(lab.docker_root, this_host(), driver_hint=None, grace_s=GRACE_S, deadline_s=30)
    assert isinstance(reading, Exact), reading
    return reading.value
