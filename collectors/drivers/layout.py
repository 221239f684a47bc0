"""Which drivers and stores have their data under a Docker root, and which one of them is in use.

The engine's word (`driver_hint`) decides where there is one; without it the store that was opened last. Refuses to
call another store's directories leftovers when it cannot tell which one is in use.
"""

from __future__ import annotations

import re
from pathlib import Path

from collectors.drivers.base import Candidate, Layout, StorageDriver
from collectors.drivers.files import folders
from collectors.drivers.graph import unknown_drivers
from collectors.model.reading import Why
from collectors.system.deadline import Declined

_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # userns-remap: <uid>.<gid>


def find_layout(
    root: Path, drivers: tuple[StorageDriver, ...], *, driver_hint: str | None, containerd_root: Path | None
) -> Layout:
    """The store in use. `driver_hint`: the engine's `Driver`, or `containerd:<snapshotter>`.

    Declined when nothing under `root` looks like an engine's data; OSError when it cannot be listed.
    """
    top = frozenset(folders(root))
    own = frozenset(driver.folder for driver in drivers if driver.folder is not None)
    meant = _meant(driver_hint, own)
    found = tuple(
        one for driver in (*drivers, *unknown_drivers(root, own)) for one in driver.detect(root, containerd_root, meant)
    )
    if not found:
        remapped = sorted(name for name in top if _REMAPPED.fullmatch(name))
        instead = f"; with user namespaces it is in {', '.join(remapped)}" if remapped else ""
        raise Declined(Why.NOT_APPLICABLE, f"no image store under {root}{instead}")
    chosen, notes = _choose(found, driver_hint, meant)
    certain = driver_hint is not None or len(found) == 1
    others = tuple(
        folder
        for other in found
        if other is not chosen
        for folder in other.folders
        if folder not in chosen.folders and folder.is_dir()
    )
    others += tuple(root / name for name in sorted(top & own) if root / name not in {*others, *chosen.folders})
    return Layout(
        root=root,
        driver=chosen.driver,
        name=chosen.name,
        base=chosen.base,
        database=chosen.database,
        others=others if certain else (),
        notes=notes,
    )


def _choose(
    found: tuple[Candidate, ...], hint: str | None, meant: tuple[str, ...]
) -> tuple[Candidate, tuple[str, ...]]:
    there = ", ".join(candidate.name for candidate in found)
    if hint is not None:
        fitting = [candidate for candidate in found if candidate.name in meant]
        if not fitting:
            raise Declined(Why.INCONSISTENT, f"the engine says {hint}, under its root there is {there}")
        return max(fitting, key=lambda candidate: candidate.opened_s), ()
    newest = max(found, key=lambda candidate: candidate.opened_s)
    if len(found) == 1:
        return newest, ()
    return newest, (f"{there} have data here; taken to be in use: {newest.name}, the last one that was opened",)


def _meant(hint: str | None, own: frozenset[str]) -> tuple[str, ...]:
    """What a hint may stand for: an engine with the containerd store gives the snapshotter's bare name."""
    if hint is None:
        return ()
    return (hint,) if hint in own else (hint, f"containerd:{hint}")
