"""Faults that a removal has had, each as a patch: an adversary that does not find it finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from collectors.causes.logs_unbounded import remove as logs
from collectors.causes.orphans import remove as orphans
from collectors.causes.unused_images import remove as images
from collectors.reclaim import REMOVED, Act, image_removal, skipped, tree
from collectors.reclaim.image_removal import _Removal
from collectors.reclaim.image_tags import Restored, give
from collectors.reclaim.tools import Tools
from collectors.system import mountinfo

Patch = tuple[object, str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Put back by `patches`; shown by this act, done to this victim, before or after a request or call like `at`."""

    name: str
    patches: tuple[Patch, ...]
    scenario: str
    act: str
    at: str

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """The program has the fault in here."""
        with ExitStack() as stack:
            for owner, name, instead in self.patches:
                stack.enter_context(patch.object(owner, name, instead))
            yield


def _by_id(removal: _Removal) -> Act:
    removal._engine.delete(f"/images/{removal._id}", {"force": "1", "noprune": "1"})
    return REMOVED


def _by_id_unless_refused(removal: _Removal) -> Act:
    return removal._judged(removal._engine.delete(f"/images/{removal._id}", {"force": "0", "noprune": "1"}))


def _whole_by_name(removal: _Removal, tag: str) -> Act | None:
    named = removal._engine.get(f"/images/{tag}/json")
    if named.ok and named.body.get("Id") != removal._id:
        return removal._back(skipped("it names another image now"))
    removal._engine.delete(f"/images/{tag}", {"force": "0", "noprune": "1"})
    removal._taken.append(tag)
    return None


def _without_a_look(engine: Any, image_id: str, tags: list[str]) -> Restored:
    return Restored(tuple(tag for tag in tags if give(engine, image_id, tag).ok))


def _plain_open(name: str, above: int) -> int:
    return os.open(name, mountinfo.DIRECTORY, dir_fd=above)


def _nothing(*_: object) -> str:
    return ""


FAULTS = (
    Fault(
        "a name that came during the removal goes along",
        ((_Removal, "run", _by_id),),
        "image, two tags",
        "tag it",
        "DELETE",
    ),
    Fault(
        "a tag that came after the last look goes along",
        ((_Removal, "run", _by_id_unless_refused),),
        "image, no tag",
        "tag it",
        "DELETE",
    ),
    Fault(
        "a second name since the plan is taken for the plan's",
        ((images, "strangers", lambda *_: ()), (Tools, "least_s", lambda *_: 0.0)),
        "image, one tag",
        "tag it",
        "GET /version",
    ),
    Fault(
        "a tag that moved is moved back",
        ((image_removal, "restore_tags", _without_a_look),),
        "image, two tags",
        "supersede it",
        "GET /images/*/json",
    ),
    Fault(
        "an image goes with a tag that had moved to it",
        ((_Removal, "_untag_seen", _whole_by_name),),
        "image, two tags",
        "move the first tag",
        "DELETE /images/*",
    ),
    Fault(
        "a mount inside a tree is crossed",
        (
            (mountinfo, "open_directory", _plain_open),
            (tree._Descent, "_may_go", _nothing),
            (orphans, "mounted_inside", _nothing),
        ),
        "orphan",
        "mount inside",
        "unlink",
    ),
    Fault(
        "another file that is mounted on a log is emptied",
        ((logs, "_in_the_mount_of", lambda *_: True),),
        "log",
        "mount over it",
        "GET /version",
    ),
)
