"""What an interrupted run left behind: said in words, and its one half-done thing put right.

Only one thing can be half done: an image whose tags were being taken away one by one. Its lost tags are put back; the
new plan then decides about the whole image again.
"""

from __future__ import annotations

from pathlib import Path

from collectors.model.owner import Owner, OwnerKind
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
            back = restore_tags(engine, last.target.id, last.tags)
            if back:
                words += f" Its tags {', '.join(back)} are put back."
    except NoAnswer:
        return f"{words} What became of it is not known, since the engine does not answer."
    if there is None:
        return f"{words} What became of it shows in the new plan."
    return f"{words} It is {'still there' if there else 'gone'}."


def restore_tags(engine: EngineSession, image_id: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Put tags back that name nothing now, if the image is still there; which ones were. Raises NoAnswer."""
    if engine.get(f"/images/{image_id}/json").status == 404:
        return ()
    back = []
    for tag in tags:
        if engine.get(f"/images/{tag}/json").status != 404:
            continue  # it names an image: this one, or a newer one that has taken the name
        repository, _, name = tag.rpartition(":")
        if engine.post(f"/images/{image_id}/tag", {"repo": repository, "tag": name}).ok:
            back.append(tag)
    return tuple(back)


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
