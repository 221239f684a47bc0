"""Why a cause proposes nothing for some of its things: one sentence each, the same for every kind of thing."""

from __future__ import annotations

from collectors.model.reading import Reading, Unavailable


def unread(what: str, reading: Reading[object]) -> str:
    """Nothing is proposed for a kind of thing that could not be listed."""
    why = f" ({reading.why}: {reading.detail})" if isinstance(reading, Unavailable) else ""
    return f"{what}: not considered, since it could not be listed{why}."


def kept(count: int, what: str, by: str) -> str:
    return f"{count} {what} {are(count)} kept by a rule ({by})."


def too_young(count: int, what: str) -> str:
    return f"{count} {what} {are(count)} younger than the configured minimum age: left alone."


def in_use(count: int, what: str) -> str:
    it = "it" if count == 1 else "them"
    return f"{count} {what} {are(count)} in use: nothing to do about {it} without removing a container."


def are(count: int) -> str:
    return "is" if count == 1 else "are"
