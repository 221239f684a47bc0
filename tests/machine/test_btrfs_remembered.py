"""Looks that remember leaves against looks that read all of them, over histories by chance: the same to the byte."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.filesystems import btrfs
from collectors.model import UnitId
from collectors.model.btrfs import Sharing, SplitRule
from collectors.model.reading import Exact
from collectors.system.deadline import this_host
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import Lab, assert_agrees_with_qgroups, assert_books_close, figures, lab, sharing

pytestmark = pytest.mark.machine

STEPS = int(os.environ.get("ULLAGE_HISTORY_STEPS", "25"))
SEED = int(os.environ.get("ULLAGE_HISTORY_SEED", "11"))
RULES = tuple(
    SplitRule(f"docker/{name}", UnitId(f"/docker/{name}")) for name in ("volumes", "volumes/a", "log", "gone")
)


class History:
    """One filesystem that things happen to. `held`: files that are deleted and still open."""

    def __init__(self, made: Lab, seed: int) -> None:
        self.made = made
        self.chance = random.Random(seed)
        self.number = 0
        self.held: list[int] = []

    def homes(self) -> list[Path]:
        """Where files are: the living subvolumes, and the top level's own directory."""
        return sorted([*self.made.at.glob("sub-*"), self.made.at / "docker"])

    def file(self) -> Path | None:
        files = [
            path for path in self.chance.choice(self.homes()).rglob("*") if path.is_file() and not path.is_symlink()
        ]
        return self.chance.choice(sorted(files)) if files else None

    def new(self) -> Path:
        self.number += 1
        inside = self.chance.choice(("", "volumes", "volumes/a", "log", f"d-{self.chance.randrange(6)}"))
        path = self.chance.choice(self.homes()) / inside / f"file-{self.number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self) -> None:
        for _ in range(self.chance.randrange(1, 40)):
            self.made.write(
                self.new(), self.chance.choice((0, 700, 5_000, 40_000, 90_000)), text=self.chance.random() < 0.3
            )

    def overwrite(self) -> None:
        if (path := self.file()) and path.stat().st_size > 8192:
            self.made.overwrite(path, self.chance.randrange(1, 60))

    def large(self) -> None:
        self.made.write(self.new(), self.chance.randrange(1 << 20, 4 << 20))

    def truncate(self) -> None:
        if path := self.file():
            os.truncate(path, self.chance.randrange(0, 200_000))

    def reflink(self) -> None:
        if (path := self.file()) and path.stat().st_size:
            self.made.clone(path, self.new())

    def dedupe(self) -> None:
        """A range of one file in another one, behind its own copy: what a deduplicating tool leaves."""
        if (path := self.file()) and path.stat().st_size >= 16384:
            os.sync()
            other = self.new()
            other.write_bytes(path.read_bytes()[: path.stat().st_size // 4096 * 4096])
            os.sync()
            self.made.clone(path, other, 4096, 8192)

    def delete(self) -> None:
        for _ in range(self.chance.randrange(1, 20)):
            if path := self.file():
                path.unlink()

    def hold(self) -> None:
        if path := self.file():
            self.held.append(os.open(path, os.O_RDONLY))
            path.unlink()

    def let_go(self) -> None:
        while self.held:
            os.close(self.held.pop())

    def move(self) -> None:
        if path := self.file():
            target = path.parent / f"moved-{self.number}"
            target.mkdir(exist_ok=True)
            path.rename(target / path.name)

    def snapshot(self) -> None:
        self.number += 1
        source = self.chance.choice([*self.made.at.glob("sub-*"), self.made.at])
        self.made.snapshot(str(source.relative_to(self.made.at)), f"sub-{self.number}")

    def subvolume(self) -> None:
        self.number += 1
        self.made.subvolume(f"sub-{self.number}")

    def drop(self) -> None:
        if names := sorted(path.name for path in self.made.at.glob("sub-*")):
            self.made.delete(self.chance.choice(names))

    def clean(self) -> None:
        self.let_go()  # the cleaner waits for files that are open
        self.made.cleaned()

    def defragment(self) -> None:
        run("btrfs", "filesystem", "defragment", "-r", self.chance.choice(self.homes()))

    def balance(self) -> None:
        run("btrfs", "balance", "start", self.chance.choice(("-dusage=60", "-musage=90")), self.made.at)

    def step(self) -> str:
        """Something happens, most often a few things."""
        does: list[tuple[Callable[[], None], int]] = [
            (self.write, 9), (self.overwrite, 6), (self.large, 2), (self.truncate, 2), (self.reflink, 4),
            (self.dedupe, 2), (self.delete, 5), (self.hold, 2), (self.let_go, 1), (self.move, 3), (self.snapshot, 6),
            (self.subvolume, 1), (self.drop, 4), (self.clean, 2), (self.defragment, 1), (self.balance, 1),
        ]  # fmt: skip
        chosen = self.chance.choices(
            [one for one, _ in does], [often for _, often in does], k=self.chance.randrange(1, 5)
        )
        for one in chosen:
            one()
        self.made.commit()
        return " ".join(one.__name__ for one in chosen)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    require_machine()
    with lab(tmp_path / "lab", size_mib=3072, mkfs=("-n", "4096"), options=("compress=zstd",)) as made:
        (made.at / "docker" / "volumes" / "a").mkdir(parents=True)
        found = History(made, SEED)
        for number in range(3):
            made.subvolume(f"sub-base-{number}")
        for _ in range(30):
            found.write()
        made.commit()
        try:
            yield found
        finally:
            found.let_go()


def remembering(at: Path, state: Path, *rules: SplitRule) -> Sharing:
    found = btrfs.sharing(at, this_host(), figures(at), rules, deadline_s=120, cache=state)
    assert isinstance(found, Exact), found
    return found.value


def both(at: Path, state: Path, *rules: SplitRule) -> tuple[Sharing, Sharing]:
    """Of one commit: the cleaner makes some of its own."""
    for _ in range(10):
        found, anew = remembering(at, state, *rules), sharing(at, *rules)
        if found.generation == anew.generation:
            return found, anew
    raise AssertionError("the filesystem does not stand still")


def told(found: Sharing) -> Sharing:
    """Without what says how it was come by."""
    return replace(found, blocks_read=0, blocks_remembered=0, age_s=0.0)


def test_what_is_remembered_and_what_is_read_anew_tell_the_same(history: History, tmp_path: Path) -> None:
    at, state, rules = history.made.at, tmp_path / "state", RULES
    remembering(at, state, *rules)
    remembered = walked = 0
    for number in range(STEPS):
        happened = history.step()
        if number % 7 == 6:  # another question than the last time: other leaves are looked into
            rules = history.chance.choice(
                ((), RULES, RULES[:1], (*RULES, SplitRule("sub-base-1/volumes", UnitId("x"))))
            )
        found, anew = both(at, state, *rules)
        assert told(found) == told(anew), f"step {number}: {happened}"
        assert (anew.residual_data_bytes, anew.residual_metadata_bytes) == (0, 0)
        remembered += found.blocks_remembered
        walked += anew.blocks_read
    assert remembered > walked // 4, "next to nothing was remembered"
    history.let_go()
    history.made.cleaned()
    found = remembering(at, state, *rules)
    assert_books_close(found)
    assert assert_agrees_with_qgroups(at, remembering(at, state))
