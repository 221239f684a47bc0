"""One image with all the names that the plan knew, or nothing: what names it besides is what the engine decides by.

It gets a name of our own first, and loses the others one by one, so that it is never without a name and never has just
one that somebody else gave. Then it goes by its id: the engine refuses this for an image that got a second name, and a
name that moved stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from collectors.engine.reply import Reply
from collectors.reclaim import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.engine_and_disk import EngineSession
from collectors.reclaim.image_tags import (
    STAND_IN_LEFT,
    Watch,
    drop_own,
    give,
    is_own,
    own_name,
    restore_tags,
    stand_in,
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
        """Where it ends with an image that stays, its own names are as they were, and none is ours."""
        # In the repository of its digests: then the engine takes those for no further name of it.
        repository = self._digests[0].partition("@")[0] if self._digests else ""
        act = self._give_own(repository) or self._take_names(repository) or self._finish()
        return act if act.removed else replace(act, unsettled=(*act.unsettled, *self._own_left()))

    def _give_own(self, repository: str) -> Act | None:
        """What ends the removal, None if it goes on: also in the methods below."""
        if self._own:
            return None
        self._own = [own_name(self._id, repository)]
        reply = give(self._engine, self._id, self._own[0])
        if reply.ok:
            return None
        return GONE if reply.status == 404 else failed(reply.message)  # an engine on a full disk may have half of it

    def _take_names(self, repository: str) -> Act | None:
        for tag in self._tags:
            if (act := self._untag(tag)) is not None:
                return act
        others = any(digest.partition("@")[0] != repository for digest in self._digests)
        return self._drop_digests(but=repository) if others else None

    def _finish(self) -> Act:
        """By its id while only our name is left: the engine refuses it for an image with another; then by that name."""
        reply = self._engine.delete(f"/images/{self._id}", self._options)
        for name in self._own if reply.status == 409 else ():
            if names := self._strangers():
                return self._back(skipped(_named(names)))
            by_name = self._engine.delete(f"/images/{name}", self._options)
            reply = reply if by_name.status == 409 else by_name
        return self._judged(reply)

    def _own_left(self) -> tuple[str, ...]:
        """Names of ours that the engine does not take away."""
        return tuple(name for name in self._own if not drop_own(self._engine, name))

    def _untag(self, tag: str) -> Act | None:
        # containerd's store takes the tag from this image alone; others know no such name, and are asked step by step.
        reply = self._engine.delete(f"/images/{tag}@{self._id}", _UNTAG)
        if reply.ok:
            self._taken.append(tag)
        elif (act := self._untag_seen(tag)) is not None:
            return act
        return self._back(skipped(_named(names))) if (names := self._strangers()) else None

    def _untag_seen(self, tag: str) -> Act | None:
        """By way of a stand-in: a tag that moves meanwhile is given back, and takes no image along."""
        named = self._engine.get(f"/images/{tag}/json")
        if named.status == 404:
            return None
        if text(_object(named), "Id") != self._id:
            return self._back(skipped(f"{tag} names another image now"))
        other = stand_in(self._engine)
        if not other:
            return self._back(failed(f"the engine makes no image that {tag} could be moved to"))
        act = self._moved(tag, other)
        dropped = self._engine.delete(f"/images/{other}", _UNTAG)
        left = not dropped.ok and dropped.status != 404
        act = act or (failed(dropped.message) if left else None)
        if act is None:
            return None
        act = self._back(act)
        return replace(act, unsettled=(*act.unsettled, STAND_IN_LEFT)) if left else act

    def _moved(self, tag: str, other: str) -> Act | None:
        watch = Watch(self._engine, tag, self._id, other)
        named = self._engine.get(f"/images/{tag}/json")
        if named.status == 404:
            return None
        if text(_object(named), "Id") != self._id:
            return skipped(f"{tag} names another image now")
        self._taken.append(tag)
        given = give(self._engine, other, tag)
        newer = watch.gave_to_other()
        if newer and give(self._engine, newer, tag).ok:
            self._taken.remove(tag)
            return skipped(f"{tag} names another image now")
        return None if given.ok else failed(given.message)

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
        reason = act.reason
        if restored.elsewhere:
            reason += f"; left at the image that has it by now: {', '.join(restored.elsewhere)}"
        if restored.lost:
            reason += f"; not put back yet: {', '.join(restored.lost)}; the next run tries again"
        return replace(act, reason=reason, unsettled=restored.lost)

    def _look(self) -> Mapping[str, Any] | None:
        """None: it is gone, or the engine does not say what it is."""
        return _object(self._engine.get(f"/images/{self._id}/json")) or None

    def _strangers(self, detail: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """Names that it got since it was inspected."""
        detail = detail or self._look()
        return strangers(detail, (*self._tags, *self._digests)) if detail else ()


def _object(reply: Reply) -> Mapping[str, Any]:
    """What it holds, empty for a refusal."""
    return reply.body if reply.ok and isinstance(reply.body, dict) else {}


def _words(reply: Reply, key: str) -> tuple[str, ...]:
    """What the engine says that it removed (`Deleted`) or took away (`Untagged`)."""
    rows = reply.body if isinstance(reply.body, list) else ()
    return tuple(row[key] for row in rows if isinstance(row, dict) and isinstance(row.get(key), str))


def _named(names: Iterable[str]) -> str:
    return f"it was named {', '.join(names)} since the plan"
