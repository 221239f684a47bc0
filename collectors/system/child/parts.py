"""Cuts what lies in no unit into parts that can be remembered one by one.

A part is a directory tree that holds no unit and that no mount lies in, two levels below the root or next to the way to
a unit: so the same directories are parts again next time, and one that is not has a unit or a mount in it by then.
"""

from __future__ import annotations

import os

from collectors.system.child.tree import open_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DEPTH = 2
_MOST = 2000  # with more, looking at each costs as much as it saves


def find_parts(root: int, places: Iterable[str]) -> list[str]:
    """Paths below the root of the parts; none at all where there would be too many.

    `places` are the paths of units and of directories that mounts cover.
    """
    taken = set(places)
    on_the_way = {""}
    for place in taken:
        while place:
            place = place.rpartition("/")[0]
            on_the_way.add(place)
    found: list[str] = []
    fringe = [("", 0)]
    while fringe and len(found) <= _MOST:
        path, depth = fringe.pop()
        for name in _folders(root, path):
            below = f"{path}/{name}" if path else name
            if below in taken:
                continue
            if below in on_the_way or depth + 1 < _DEPTH:
                fringe.append((below, depth + 1))
            else:
                found.append(below)
    return found if len(found) <= _MOST else []


def _folders(root: int, path: str) -> list[str]:
    """Directories in a directory; none where it cannot be read: what it holds is then walked with the rest."""
    try:
        fd = open_below(root, path)
    except OSError:
        return []
    try:
        with os.scandir(fd) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    finally:
        os.close(fd)
