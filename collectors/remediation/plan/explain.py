"""Why a remedy is not in the plan: one sentence each. No sizes; names are foreign text, escaped by who prints them."""

from __future__ import annotations

from collectors.model.owner import OwnerKind
from collectors.model.reading import Reading, Unavailable

_SHOWN = 3
_KINDS = {
    OwnerKind.IMAGE: "images",
    OwnerKind.CONTAINER: "containers",
    OwnerKind.BUILD: "build cache",
    OwnerKind.VOLUME: "volumes",
    OwnerKind.LOG: "logs",
    OwnerKind.ORPHAN: "orphaned layers",
    OwnerKind.SNAPSHOT: "btrfs snapshots",
    OwnerKind.DELETED: "subvolumes that wait for the cleaner",
    OwnerKind.PLUGIN: "plugins",
    OwnerKind.LEFTOVER: "leftovers",
    OwnerKind.OPEN: "processes",
}


def unread(what: str, reading: Reading[object]) -> str:
    """Nothing is proposed for a kind of thing that could not be listed."""
    why = f" ({reading.why}: {reading.detail})" if isinstance(reading, Unavailable) else ""
    return f"{what}: not considered, since it could not be listed{why}."


def remote() -> str:
    return "The engine runs on another machine: nothing it removes would free bytes of this filesystem."


def cache_in_use(count: int) -> str:
    return f"{count} build cache {_records(count)} {_are(count)} in use by a build, or pinned by one: left alone."


def frees_nothing(titles: tuple[str, ...], why: str) -> str:
    """Several remedies with one reason. `why` starts in lower case."""
    rest = f" and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
    return f"{', '.join(titles[:_SHOWN])}{rest}: would free nothing, since {why}."


def blocked(holders: frozenset[OwnerKind]) -> str:
    """What kinds of owners else hold the bytes, as a reason in lower case."""
    if not holders:
        return "no byte of this filesystem is held by them alone or together"
    kinds = sorted({_KINDS.get(kind, "others") for kind in holders})
    words = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
    return f"their bytes are also held by {words} that stay"


def kept(count: int, what: str, by: str) -> str:
    return f"{count} {what} {_are(count)} kept by a rule ({by})."


def too_young(count: int, what: str) -> str:
    return f"{count} {what} {_are(count)} younger than the configured minimum age: left alone."


def in_use(count: int, what: str) -> str:
    it = "it" if count == 1 else "them"
    return f"{count} {what} {_are(count)} in use: nothing to do about {it} without removing a container."


def unproved_orphans(count: int) -> str:
    return (
        f"{count} {'layer' if count == 1 else 'layers'} that nobody seems to know {_are(count)} not proved to be "
        f"{'an orphan' if count == 1 else 'orphans'} (too young, seen once, or an owner source could not be read): "
        "left alone."
    )


def small_deleted_but_open(count: int) -> str:
    return (
        f"{count} deleted {'file is' if count == 1 else 'files are'} kept open by processes, too small to restart "
        f"{'its' if count == 1 else 'their'} holders for."
    )


def collected_by_containerd(count: int) -> str:
    """Beside its leases a collector's own work needs nobody."""
    return (
        f"{count} {'write' if count == 1 else 'writes'} that containerd did not finish: left to its own collector, "
        "which takes them once their lease has run out (a day at most); `ctr --namespace moby leases ls` and "
        "`ctr --namespace moby content active` show what they wait for, and removing by hand comes last."
    )


def nothing_to_vacuum(kept: str) -> str:
    return f"The system journal: vacuuming it to the usual {kept} would free nothing, since it holds less."


def no_step(claim: str, remedy: str) -> str:
    """For what only a person can judge. Both parts as the finding says them: a claim may begin with a foreign name."""
    return f"No step here is for this: {claim}; {remedy}."


def target_reached(percent: str, used: str) -> str:
    return f"Used is at {used}%, and the target is {percent}%: there is nothing to do."


def target_missed(percent: str, reached: str) -> str:
    return f"The target of {percent}% is out of reach: all of this together leads to about {reached}%."


def target_needs_person(percent: str) -> str:
    return f"The target of {percent}% is not reached by steps that may run by themselves: the last steps need a person."


def target_unknown(percent: str) -> str:
    return f"Whether {percent}% is reached cannot be told: the filesystem's size, or what the steps free, is not known."


def no_chunk_to_empty() -> str:
    return (
        "Balance: no data chunk could be emptied into the free room of the others, so it would move nothing; "
        "remove data first, or add a device for the time of the balance."
    )


def balance_would_fail() -> str:
    return (
        "Balance: it would fail for lack of space, since metadata is full and nothing in this plan frees enough of it; "
        "remove many small files, or add a device for the time of the balance."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _records(count: int) -> str:
    return "record" if count == 1 else "records"
