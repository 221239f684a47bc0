"""One image with all the names that the plan knew, or nothing: what names it besides is what the engine decides by.

An image with a tag goes by its id once that tag is its last: the engine refuses this for an image that got a second
one, and a tag that moved stays where it is. One without a tag would lose a tag that came just now; it goes by a name of
our own, which is all that the engine takes if the image has another.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from collectors.engine.reply import Reply
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.engine_session import EngineSession
from collectors.reclaim.image_tags import (
    drop_own,
    give,
    given_since,
    is_own,
    own_name,
    restore_tags,
    strangers,
    theirs,
    unknown,
)
from collectors.reclaim.preconditions import references, text

_UNTAG = {"force": "0", "noprune": "1"}


def remove_image(engine: EngineSession, detail: Mapping[str, Any], *, keep_parents: bool) -> Act:
    """The inspected image, whose names are the plan's. Raises NoAnswer, with `restore_tags` still to be called."""
    return _Removal(engine, detail, keep_parents=keep_parents).run()


class _Removal:
    """`_taken` are the tags that were taken away so far."""

    def __init__(self, engine: EngineSession, detail: Mapping[str, Any], *, keep_parents: bool) -> None:
        self._engine = engine
        self._id = text(detail, "Id")
        self._tags, self._digests = theirs(detail)
        self._own = [name for name in references(detail)[0] if is_own(name)]
        self._options = {**_UNTAG, "noprune": "1" if keep_parents else "0"}
        self._taken: list[str] = []

    def run(self) -> Act:
        return self._with_tags() if self._tags else self._without_tags()

    def _with_tags(self) -> Act:
        for name in self._own:
            drop_own(self._engine, name)
        *others, last = self._tags
        for tag in others:
            if (act := self._untag(tag)) is not None:
                return act
        repository = last.rpartition(":")[0]
        besides = others or any(digest.partition("@")[0] != repository for digest in self._digests)
        if besides and (act := self._drop_digests(but=repository)) is not None:
            return act
        reply = self._engine.delete(f"/images/{self._id}", self._options)
        if reply.status != 409:
            return self._judged(reply)
        if names := self._strangers():
            return self._back(skipped(_named(names)))
        same = next((digest for digest in self._digests if digest.partition("@")[0] == repository), "")
        if "multiple repositories" in reply.message and same:  # containerd keeps a digest as a name of its own
            reply = self._engine.delete(f"/images/{same}", self._options)
        return self._judged(reply)

    def _without_tags(self) -> Act:
        if not self._own:
            self._own = [own_name(self._id)]
            reply = give(self._engine, self._id, self._own[0])
            if not reply.ok:
                drop_own(self._engine, self._own[0])  # an engine on a full disk may have half of it
                return GONE if reply.status == 404 else failed(reply.message)
        act = self._drop_digests(but="") if self._digests else None
        for name in self._own if act is None else ():
            reply = self._engine.delete(f"/images/{name}", self._options)
            act = self._judged(reply) if name == self._own[-1] or not reply.ok else None
        if act is None or not act.removed:
            for name in self._own:
                drop_own(self._engine, name)
        return act or GONE

    def _untag(self, tag: str) -> Act | None:
        """What ends the removal, None if it goes on."""
        # containerd's store takes the tag from this image alone; others know no such name, and are asked step by step.
        reply = self._engine.delete(f"/images/{tag}@{self._id}", _UNTAG)
        act = None if reply.ok else self._untag_seen(tag)
        if self._id in _words(reply, "Deleted"):  # all its other names were taken away meanwhile
            return REMOVED
        if act is not None:
            return act
        if reply.ok:
            self._taken.append(tag)
        return self._back(skipped(_named(names))) if (names := self._strangers()) else None

    def _untag_seen(self, tag: str) -> Act | None:
        """After a look that it is this image's. One request lies between: a tag that moved then is given back."""
        since = time.time()
        named = self._engine.get(f"/images/{tag}/json")
        if named.status == 404:
            return None
        if not named.ok or not isinstance(named.body, dict) or named.body.get("Id") != self._id:
            return self._back(skipped(f"{tag} names another image now"))
        reply = self._engine.delete(f"/images/{tag}", _UNTAG)
        if not reply.ok:
            return None if reply.status == 404 else self._back(failed(reply.message))
        gone = _words(reply, "Deleted")
        if self._id in gone:
            return REMOVED
        newer = given_since(self._engine, since, tag, self._id)
        if newer and give(self._engine, newer, tag).ok:
            return self._back(skipped(f"{tag} names another image now"))
        if gone:
            return self._back(failed(f"{tag} had just moved to another image, which went with it: {gone[0]}"))
        self._taken.append(tag)
        return None

    def _drop_digests(self, but: str) -> Act | None:
        """Those of other repositories than `but`, as far as they still name it: a tag cannot take their place."""
        detail = self._look()
        if detail is None:
            return None
        if names := self._strangers(detail):
            return self._back(skipped(_named(names)))
        for digest in theirs(detail)[1]:
            if digest.partition("@")[0] == but:
                continue
            reply = self._engine.delete(f"/images/{digest}", _UNTAG)
            if not reply.ok and reply.status != 404:
                return self._back(failed(reply.message))
        return None

    def _judged(self, reply: Reply) -> Act:
        """What the answer to the last request means: an engine that only took a name away has found another."""
        if not reply.ok:
            return GONE if reply.status == 404 else self._back(failed(reply.message))
        if self._id not in _words(reply, "Deleted") and (detail := self._look()) is not None:
            names = self._strangers(detail)
            return self._back(skipped(_named(names) if names else "the engine kept it"))
        untagged = (name for name in _words(reply, "Untagged") if "sha256:" not in name)
        lost = unknown(untagged, (*self._tags, *self._digests))
        return Act(True, f"{', '.join(lost)} named it at the last moment, and went with it") if lost else REMOVED

    def _back(self, act: Act) -> Act:
        """The same, with the tags put back that were taken away, and what could not be."""
        restored = restore_tags(self._engine, self._id, self._taken)
        if not restored.elsewhere:
            return act
        reason = f"{act.reason}; left at the image that has it by now: {', '.join(restored.elsewhere)}"
        return Act(act.removed, reason, act.failed, act.reported_bytes)

    def _look(self) -> Mapping[str, Any] | None:
        """None: it is gone, or the engine does not say what it is."""
        reply = self._engine.get(f"/images/{self._id}/json")
        return reply.body if reply.ok and isinstance(reply.body, dict) else None

    def _strangers(self, detail: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """Names that it got since it was inspected."""
        detail = detail or self._look()
        return strangers(detail, (*self._tags, *self._digests)) if detail else ()


def _words(reply: Reply, key: str) -> tuple[str, ...]:
    """What the engine says that it removed (`Deleted`) or took away (`Untagged`)."""
    rows = reply.body if isinstance(reply.body, list) else ()
    return tuple(row[key] for row in rows if isinstance(row, dict) and isinstance(row.get(key), str))


def _named(names: Iterable[str]) -> str:
    return f"it was named {', '.join(names)} since the plan"
