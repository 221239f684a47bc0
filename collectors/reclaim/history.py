"""What an interrupted run left behind: said in words, and its one half-done thing put right.

Only one thing can be half done: an image whose tags were being taken away one by one. Its lost tags are put back; the
new plan then decides about the whole image again.
"""

from __future__ import annotations

from pathlib import Path

from collectors.model.owner import Owner, OwnerKind
from collectors.reclaim import engine_actions
from collectors.reclaim.engine_session import EngineSession, NoAnswer
from collectors.reclaim.run_log import Unfinished, unfinished


def earlier_run(state: Path) -> str:
    """The last run in words, if it never ended; "" where nothing was interrupted. Asks no engine."""
    last = unfinished(state)
    return _words(last) if last else ""


def put_right(state: Path, engine: EngineSession) -> str:
    """The same, with what became of the target that was being removed; restores an image's lost tags."""
    last = unfinished(state)
    if last is None:
        return ""
    words = _words(last)
    if last.target is None:
        return words
    try:
        there = _there(last.target, engine)
        if there and last.tags:
            back = engine_actions.restore(engine, last.target.id, last.tags)
            if back:
                words += f" Its tags {', '.join(back)} are put back."
    except NoAnswer:
        return f"{words} What became of it is not known, since the engine does not answer."
    if there is None:
        return f"{words} What became of it shows in the new plan."
    return f"{words} It is {'still there' if there else 'gone'}."


def _words(last: Unfinished) -> str:
    done = f"{last.removed_count} {'thing was' if last.removed_count == 1 else 'things were'} removed before that."
    if last.target is None:
        return f"The reclaim that began at {last.began_at} did not end. {done}"
    target = f"{last.target.text()} ({last.step_title})"
    return f"The reclaim that began at {last.began_at} did not end: it was at {target}. {done}"


def _there(target: Owner, engine: EngineSession) -> bool | None:
    name = target.id
    paths = {
        OwnerKind.IMAGE: f"/images/{name}/json",
        OwnerKind.CONTAINER: f"/containers/{name}/json",
        OwnerKind.VOLUME: f"/volumes/{name}",
    }
    if target.kind is OwnerKind.ORPHAN:
        return Path(name).exists()
    if target.kind not in paths:
        return None
    reply = engine.get(paths[target.kind])
    return False if reply.status == 404 else (True if reply.ok else None)
