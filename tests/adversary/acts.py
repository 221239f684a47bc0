"""What somebody does meanwhile: one act, done whole while the run stands still at a boundary.

An act is told by what it changed, looked up before and after. Those that use or name the victim say whether they did:
then it has to stay. Refuses nothing: an act that fails, since its object is gone, has changed nothing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collectors.model import OwnerKind
from tests.adversary.api import archive_of
from tests.adversary.boundaries import Where
from tests.adversary.scenarios import VICTIM_LAYER, Victim
from tests.adversary.world import BASE, World
from tests.lab.commands import CommandFailed

NEWER = "newer"
_ENGINE = frozenset({Where.REQUEST, Where.ANSWER})
_EVERYWHERE = frozenset(Where)


@dataclass(frozen=True, slots=True)
class Act:
    """`do` is True where it used or named the victim. `cuts`: what was under way to or from the engine is lost."""

    name: str
    do: Callable[[World, Victim], bool]
    where: frozenset[Where] = _ENGINE
    cuts: bool = False
    on_path: bool = False  # only where the victim lies on the disk
    seen_by: str = ""  # it counts as use only where the run asks this afterwards: nothing else can tell of it


def _is_image(victim: Victim) -> bool:
    return victim.owner.kind is OwnerKind.IMAGE


def _tag(world: World, victim: Victim) -> bool:
    return world.api.tag(victim.image, "adversary/mine:1") and _is_image(victim)


def _tag_in_its_repository(world: World, victim: Victim) -> bool:
    repository = victim.tags[0].partition(":")[0] if victim.tags else "adversary/mine"
    return world.api.tag(victim.image, f"{repository}:other") and _is_image(victim)


def _untag(number: int) -> Callable[[World, Victim], bool]:
    def act(world: World, victim: Victim) -> bool:
        if victim.tags:
            world.api.ask("DELETE", f"/images/{victim.tags[number]}", {"noprune": "1"})
        return False

    return act


def _move(number: int) -> Callable[[World, Victim], bool]:
    """To an image that has no other name."""

    def act(world: World, victim: Victim) -> bool:
        name = victim.tags[number] if victim.tags else "adversary/moved:1"
        world.api.load(archive_of([name], [b"newer" * 1000], NEWER))
        return False

    return act


def _supersede(world: World, victim: Victim) -> bool:
    """As a release does: what was current is called previous, and a newer image is current."""
    done = world.api.tag(victim.image, "adversary/previous:1")
    world.api.load(archive_of(victim.tags[:1] or ["adversary/current:1"], [b"newer" * 1000], NEWER))
    return done and _is_image(victim)


def _create(world: World, victim: Victim) -> bool:
    return world.api.create(victim.image, "adversary") and _is_image(victim)


def _create_by_name(world: World, victim: Victim) -> bool:
    return world.api.create(victim.tags[-1] if victim.tags else victim.image, "adversary") and _is_image(victim)


def _start(world: World, victim: Victim) -> bool:
    if victim.owner.kind is OwnerKind.CONTAINER:
        return world.api.start(victim.owner.id)
    return world.api.create(BASE, "adversary") and world.api.start("adversary") and False


def _volume(world: World, victim: Victim) -> bool:
    world.api.ask("POST", "/volumes/create", content={"Name": "victim"})
    return False


def _mount_volume(world: World, victim: Victim) -> bool:
    there = victim.owner.kind is OwnerKind.VOLUME and "victim" in _volumes(world)
    made = world.api.create(BASE, "adversary", Binds=["victim:/data"])
    return made and there


def _volumes(world: World) -> set[str]:
    return {volume["Name"] for volume in world.api.get("/volumes")["Volumes"] or ()}


def _build(*, buildkit: bool) -> Callable[[World, Victim], bool]:
    def act(world: World, victim: Victim) -> bool:
        base = victim.tags[0] if victim.tags else victim.image
        with contextlib.suppress(CommandFailed):  # its base is gone
            world.lab.build(
                "adversary/built:1", {"Dockerfile": f"FROM {base}\nCOPY f /f\n", "f": b"x" * 9999}, buildkit=buildkit
            )
        return False

    return act


def _load_on_top(world: World, victim: Victim) -> bool:
    world.api.load(archive_of(["adversary/loaded:1"], [VICTIM_LAYER, b"upper" * 500], "loaded"))
    return False


def _load_again(world: World, victim: Victim) -> bool:
    if _is_image(victim):
        world.api.load(archive_of(victim.tags, [VICTIM_LAYER], "victim"))
    return False


def _bind(world: World, victim: Victim) -> bool:
    path = _path(victim)
    if not path.exists() or path.is_symlink():
        return False
    done = world.api.create(BASE, "adversary", Binds=[f"{path}:/x"]) and world.api.start("adversary")
    return done and victim.owner.kind in (OwnerKind.ORPHAN, OwnerKind.SNAPSHOT)


def _path(victim: Victim) -> Path:
    assert victim.path is not None
    return victim.path


def _deep(victim: Victim) -> Path | None:
    """The folder in the victim, where it is one and has not lost it yet."""
    path = _path(victim)
    return next(iter(sorted(path.rglob("deep"))), None) if path.is_dir() and not path.is_symlink() else None


def _mount_inside(world: World, victim: Victim) -> bool:
    target = _deep(victim) or _path(victim)
    source = world.precious if target.is_dir() else world.precious / "letter"
    _run("mount", "--bind", source, target)
    return False


def _mount_over(world: World, victim: Victim) -> bool:
    path = _path(victim)
    if not path.is_symlink():
        _run("mount", "--bind", world.precious if path.is_dir() else world.precious / "letter", path)
    return False


def _swap(world: World, victim: Victim) -> bool:
    """The victim moved aside, a link to what is precious in its place."""
    path = _path(victim)
    if path.exists():
        to = world.precious if path.is_dir() else world.precious / "letter"
        path.rename(path.with_name(f"{path.name}.aside"))
        path.symlink_to(to)
    return False


def _swap_inside(world: World, victim: Victim) -> bool:
    if (inner := _deep(victim)) is not None:
        with contextlib.suppress(OSError):  # a snapshot is read-only
            inner.rename(inner.with_name("deep.aside"))
            inner.symlink_to(world.precious)
    return False


def _lock(world: World, victim: Victim) -> bool:
    path = _path(victim)
    for inner in sorted(path.rglob("file")) if path.is_dir() else [path]:
        _run("chattr", "+i", inner)
    return False


def _deny(world: World, victim: Victim) -> bool:
    world.denied = True
    return False


def _kill(world: World, victim: Victim) -> bool:
    world.lab.kill_engine()
    world.lab.start_engine()
    world.come_to_rest()
    return False


def _restart(world: World, victim: Victim) -> bool:
    world.lab.stop_engine()
    world.lab.start_engine()
    world.come_to_rest()
    return False


def _fill(world: World, victim: Victim) -> bool:
    """Until the kernel refuses 4 KiB more."""
    with world.filler.open("ab") as file:
        size = 64 << 20
        while size >= 4096:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
            except OSError:
                size //= 2
    return False


def _write(world: World, victim: Victim) -> bool:
    path = _path(victim)
    if not path.is_dir() or path.is_symlink():
        return False
    with contextlib.suppress(OSError):
        (path / "new").write_text("written meanwhile")
    return False


def _run(*words: str | Path) -> bool:
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


ACTS = (
    Act("tag it", _tag),
    Act("tag it, same repository", _tag_in_its_repository),
    Act("untag the first", _untag(0)),
    Act("untag the last", _untag(-1)),
    Act("move the first tag", _move(0)),
    Act("move the last tag", _move(-1)),
    Act("supersede it", _supersede),
    Act("create a container", _create),
    Act("create by name", _create_by_name),
    Act("start", _start),
    Act("create a volume", _volume),
    Act("mount the volume", _mount_volume),
    Act("build", _build(buildkit=False)),
    Act("build, BuildKit", _build(buildkit=True)),
    Act("load on top of it", _load_on_top),
    Act("load it again", _load_again),
    Act("bind it", _bind, _EVERYWHERE, on_path=True, seen_by="GET /containers/json"),
    Act("mount inside", _mount_inside, _EVERYWHERE, on_path=True),
    Act("mount over it", _mount_over, _EVERYWHERE, on_path=True),
    Act("swap for a link", _swap, _EVERYWHERE, on_path=True),
    Act("swap inside", _swap_inside, _EVERYWHERE, on_path=True),
    Act("write into it", _write, _EVERYWHERE, on_path=True),
    Act("make immutable", _lock, _EVERYWHERE, on_path=True),
    Act("fill the disk", _fill, _EVERYWHERE),
    Act("deny all requests", _deny),
    Act("kill the engine", _kill, cuts=True),
    Act("restart the engine", _restart, cuts=True),
)
# After these a run cannot put right what it has begun; the next one has to.
HINDERING = frozenset({"fill the disk", "deny all requests"})
