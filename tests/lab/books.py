"""Draws up the truth of a whole lab: which folders each category owns, and what they take.

An extent is charged once, to the first category in the order of `truth.CATEGORIES`. What a mess planted stands beside
that as it is. Refuses to run while the engine is stopped: images are asked of the engine itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import describe, layout, measure
from tests.lab.commands import run
from tests.lab.truth import CATEGORIES, Planted, Sum, Truth

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# Nothing in a folder shows these: what the mess knows of them is all there is.
_ONLY_KNOWN = ("deleted_pending", "deleted_open")


def draw_up(lab: Lab, special: Sequence[Planted]) -> Truth:
    """Flush, let btrfs finish what it is deleting, measure every category and put it beside what was planted.

    `special` is what the messes say themselves; everything else that the engine knows is listed from it.
    """
    measure.flush(lab.mount)
    if lab.fs == "btrfs":
        measure.cleaned(lab.mount, held=[p.id for p in special if p.category == "deleted_pending"])
    planted = _merged(special, describe.everything(lab))
    with measure.laid_bare(lab.mount, lab.base) as bare:
        sums = _sums(lab.fs, folders(lab, planted, bare), planted)
    return Truth(
        lab=lab.id,
        driver=lab.driver,
        fs=lab.fs,
        engine=lab.engine,
        mess=lab.mess,
        docker_root=str(lab.docker_root),
        used_bytes=measure.used_bytes(lab.mount),
        planted=planted,
        sums=sums,
    )


def _merged(special: Sequence[Planted], found: Sequence[Planted]) -> tuple[Planted, ...]:
    """What a mess says about an object that the engine lists too is added to that object; its figures stay measured."""
    said = {(p.category, p.kind, p.id): p for p in special}
    merged = []
    for planted in found:
        more = said.pop((planted.category, planted.kind, planted.id), None)
        notes = "; ".join(note for note in (planted.note, more.note if more else "") if note)
        merged.append(replace(planted, note=notes, survives=more.survives) if more else planted)
    return (*said.values(), *merged)


def folders(lab: Lab, planted: tuple[Planted, ...], bare: Path) -> dict[str, list[Path]]:
    """The trees of each category that lies in folders. Docker's root and `bare` stand for whatever else is in them."""
    root = lab.docker_root
    placed = {c: [Path(p.path) for p in planted if p.category == c and p.path] for c in CATEGORIES}
    owned = layout.owned(root, lab.driver, lab.socket)
    return {
        "images": [*owned.layers.values(), *(path for paths in owned.content.values() for path in paths)],
        # Every layer has an owner here: what no image, container or planted orphan owns, a build left behind.
        "build_cache": sorted(owned.rest - set(placed["orphans"])),
        "containers": [path for pair in owned.containers.values() for path in pair],
        "logs": layout.log_files(root),
        "volumes": layout.volumes(root),
        "orphans": placed["orphans"],
        "docker_other": [root, *placed["docker_other"]],
        "other_files": [bare, *placed["other_files"], *_subvolumes(lab, planted)],
        "snapshots": placed["snapshots"],
    }


def _subvolumes(lab: Lab, planted: tuple[Planted, ...]) -> list[Path]:
    """Subvolumes outside Docker that no mess names: neither `du` nor `compsize` enters them from the tree above."""
    if lab.fs != "btrfs":
        return []
    lines = run("btrfs", "subvolume", "list", lab.mount).splitlines()
    paths = {lab.mount / line.split(" path ", 1)[1] for line in lines}
    named = {Path(p.path) for p in planted if p.path}
    return sorted(path for path in paths - named if lab.docker_root not in path.parents)


def _sums(fs: str, owned: dict[str, list[Path]], planted: tuple[Planted, ...]) -> dict[str, Sum]:
    sums: dict[str, Sum] = {}
    before: list[Path] = []
    charged = apparent = 0
    for category in CATEGORIES:
        known = [p for p in planted if p.category == category]
        if category in _ONLY_KNOWN:
            allocated = sum(p.allocated_bytes or 0 for p in known)
            sums[category] = Sum(allocated, sum(p.apparent_bytes for p in known), len(known), "planted")
            continue
        # Everything up to and including this category, less everything up to it: each extent is charged once.
        before = [*before, *owned[category]]
        with_this, apparent_with_this = measure.allocated_bytes(fs, before), measure.apparent_bytes(before)
        method = "compsize" if fs == "btrfs" else "du"
        sums[category] = Sum(with_this - charged, apparent_with_this - apparent, len(owned[category]), method)
        charged, apparent = with_this, apparent_with_this
    return sums
