"""What lies on the disk and the engine does not know: containers it could not load, volumes made by hand, other files.

Only a person can tell whether it is needed: there is a finding, and the reason why the plan has no step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.causes.base import Cause, Proposal
from collectors.causes.finding_context import FindingContext
from collectors.causes.plan_context import PlanContext
from collectors.ledger.unlisted import NOT_KNOWN
from collectors.model.engine import Flavour
from collectors.model.finding import Finding
from collectors.model.ledger import Category, Item
from collectors.model.owner import OwnerKind
from collectors.model.reading import Exact, charged
from collectors.model.store import UnitKind

ID = "unknown-to-engine"

# What a thing of a category is called, and what a person can do about it.
_THINGS: Mapping[Category, tuple[str, str]] = {
    Category.CONTAINERS: (
        "container",
        "its config.v2.json is torn or missing: put it back from a backup, or remove its folder and its layer with "
        "the engine stopped",
    ),
    Category.VOLUMES: (
        "volume",
        "one with a folder _data is known to the engine after its next start; else move it to another disk",
    ),
    Category.IMAGES: ("image", "the engine lists and removes it no more: look into it with the client that made it"),
    Category.LOGS: ("container log", "it goes with its container, which the engine does not know either"),
    Category.BUILD_CACHE: ("build record", "the builder that made it removes it"),
    Category.DOCKER_OTHER: (
        "file or folder",
        "no engine makes a thing of this name under its root: move it to another disk, or remove it",
    ),
}
_EXTERNAL = "left by a build that was ended: `podman ps --external` shows it, `podman rm --storage NAME` removes it"
_NOBODYS = "no container stands behind it: who made it knows its name, `ctr --namespace moby snapshots ls` shows it"
_MOST = 5


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable; the remedy is that of the largest."""
    found = [item for category in _THINGS for item in _unknown(context, category)]
    found.sort(key=lambda item: -charged(item.referenced))
    amount = context.sum(item.referenced for item in found)
    if not found or not context.notable(charged(amount)):
        return
    first = found[0]
    more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
    claim = f"{_THINGS[first.category][0]} {first.name}{more} on disk that the engine does not know"
    evidence = tuple((f"{_THINGS[item.category][0]} {item.name}", item.referenced) for item in found[:_MOST])
    remedy = f"for a person: {_remedy(context, first)}"
    yield Finding(ID, context.severity(amount), claim, amount, evidence, remedy, (), True, first.category)


def _unknown(context: FindingContext, category: Category) -> tuple[Item, ...]:
    state = UnitKind.FOREIGN.value if category is Category.DOCKER_OTHER else NOT_KNOWN
    return context.in_state(category, state)


def _remedy(context: FindingContext, item: Item) -> str:
    if item.owner_id.kind is OwnerKind.UNIT:
        return _NOBODYS
    engine = context.snapshot.engine.engine
    podman = isinstance(engine, Exact) and engine.value.flavour is Flavour.PODMAN
    return _EXTERNAL if podman and item.category is Category.CONTAINERS else _THINGS[item.category][1]


def propose(context: PlanContext) -> Proposal:
    """Nothing: the sentence says who can."""
    if context.found(ID) is None:
        return Proposal()
    why = "What the engine does not know is left to a person: from here nobody can tell whether it is needed."
    return Proposal((), (why,), answered=True)


LINE = "containers, images, volumes and files on disk that the engine does not know"
CAUSE = Cause(ID, None, None, None, LINE, detect, propose)
