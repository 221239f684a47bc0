"""Stores that the engine does not use, and things in its own that it does not know. Only a person can judge them.

What a switch of storage driver or image store left behind (it may be the way back); Docker roots inside containers;
plugins that log into their own root filesystem; a Docker root from before, and what other engines keep on the same
filesystem; containers that could not be loaded, volumes made by hand, other files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.containers_and_volumes import ENDED
from collectors.causes.engine_leftovers import (
    ENGINE_STOPPED,
    detect_leftovers,
    leftover_targets,
    leftovers,
    unlisted_by_podman,
)
from collectors.causes.finding_context import FindingContext, count, detect_inside
from collectors.causes.plan_context import PlanContext
from collectors.causes.unused_images import layers_of_no_image
from collectors.ledger.unlisted import ANOTHER_CLIENTS, NOT_KNOWN
from collectors.model import OwnerKind
from collectors.model.engine import Flavour
from collectors.model.ledger import Category, Item
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, charged
from collectors.model.store import OtherStore, Unit, UnitKind

DRIVER_ID = "other-driver"


def detect_driver(context: FindingContext) -> Iterable[Finding]:
    """All drivers that are not in use, together."""
    claim = "data of a storage driver that is not in use"
    remedy = "archive what is needed, then remove the directory with the engine stopped"
    return detect_leftovers(context, DRIVER_ID, UnitKind.OTHER_DRIVER, claim, remedy)


def propose_driver(context: PlanContext) -> Proposal:
    """One proposal a driver."""
    return Proposal(tuple(_draft_driver(context, name, units) for name, units in sorted(_by_driver(context).items())))


def _by_driver(context: PlanContext) -> dict[str, list[Unit]]:
    """The directories, and on btrfs the subvolumes in them, of each driver that is not in use."""
    found: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in leftovers(context, UnitKind.OTHER_DRIVER):
        found[unit.name.partition(":")[0].removeprefix("image/").partition("/")[0] or unit.name].append(unit)
    return found


def _draft_driver(context: PlanContext, name: str, units: list[Unit]) -> Draft:
    mount = context.ledger.filesystem.mount
    folders = sorted(unit.path for unit in units if unit.path.startswith("/"))
    inside = {base.reachable(mount, u.path).rpartition("/")[0] for u in units if not u.path.startswith("/")}
    first = [f"btrfs subvolume delete {base.quote(folder)}/*" for folder in sorted(inside)]
    archive = base.command("tar", "--create", "--zstd", "--file", f"/OTHER-DISK/{name}.tar.zst", "--", *folders)
    return Draft(
        id=f"{DRIVER_ID}:{name}",
        action="former-driver.remove",
        title=f"Remove what the storage driver {name}, which is not in use, left behind",
        command=" && ".join((*first, base.remove_trees(*folders))),
        targets=leftover_targets(units),
        rank=210,
        within=(name,),
        harm=Harm.STATE,
        risk=Risk.DESTRUCTIVE,
        needs=f"{ENGINE_STOPPED}; {base.NOTHING_MOUNTED}; "
        f"first an archive of what may still be wanted, on another disk: {archive}",
        costs="the images, containers and layers of that driver are lost, and so is the chance to return to it",
        undo="none; only from the archive",
        automatic=False,
    )


DRIVER_LINE = "data of a storage driver or image store that is not in use"
DRIVER = Cause(
    DRIVER_ID,
    Category.DOCKER_OTHER,
    OwnerKind.LEFTOVER,
    Harm.STATE,
    DRIVER_LINE,
    detect_driver,
    propose_driver,
    no_step="none of it is proved to be left behind",
)


NESTED_ID = "nested-root"


def detect_nested(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    if not _inner_engines(context):
        return ()  # what holds it is unused: told as that alone
    remedy = "prune with the inner engine"
    return detect_inside(context, NESTED_ID, UnitKind.NESTED_ROOT, "Docker root inside a container", remedy)


def _inner_engines(context: FindingContext) -> bool:
    """May one of the engines inside still run? Not where all that holds them is a volume or container without use."""
    idle = {
        item.owner_id
        for category in (Category.VOLUMES, Category.CONTAINERS)
        for item in context.items(category)
        if item.state.startswith("unused") or item.state in ENDED
    }
    inside = (unit for unit in context.study.units if unit.kind is UnitKind.NESTED_ROOT)
    return not all(unit.owners and unit.owners <= idle for unit in inside)


NESTED_LINE = "a whole Docker root inside a container or volume"
NESTED_NO_STEP = "only the engine inside knows what of it is in use"
NESTED = Cause(
    NESTED_ID, None, None, None, NESTED_LINE, detect_nested, inside=UnitKind.NESTED_ROOT, no_step=NESTED_NO_STEP
)


PLUGIN_ID = "plugin-data"


def detect_plugin(context: FindingContext) -> Iterable[Finding]:
    """All plugins together."""
    claim, remedy = "data that plugins keep for themselves", "inspect the plugin's logs"
    return detect_leftovers(context, PLUGIN_ID, UnitKind.PLUGIN, claim, remedy)


PLUGIN_LINE = "data that plugins keep in their own root filesystems"
PLUGIN_NO_STEP = "only the plugin knows what of it is needed"
PLUGIN = Cause(PLUGIN_ID, Category.DOCKER_OTHER, None, None, PLUGIN_LINE, detect_plugin, no_step=PLUGIN_NO_STEP)


FORMER_ID, ENGINE_ID = "former-root", "other-engine"
_MOST_NAMED, _MOST_STORES = 6, 3
BESIDE_NO_STEP = (
    "only its owner knows what of it is needed: another engine removes its own, and a former root may be the only copy"
)
_KUBERNETES = "crictl rmi --prune"


def detect_former(context: FindingContext) -> Iterable[Finding]:
    """Docker roots that no engine was seen running on, together."""
    remedy = "for a person: start an engine with this --data-root, look into it, and bring away what is needed"
    yield from _detect_beside(context, FORMER_ID, _stores(context, former=True), UnitKind.FORMER_ROOT, remedy)


def detect_engine(context: FindingContext) -> Iterable[Finding]:
    """What other engines and other clients of containerd keep, together."""
    others = _stores(context, former=False)
    asked = [*(other.ask for other in others if other.ask), _ask_containerd(context)]
    remedy = f"ask those whose it is: {'; '.join(one for one in asked if one)}"
    yield from _detect_beside(context, ENGINE_ID, others, UnitKind.OTHER_ENGINE, remedy)


def _stores(context: FindingContext, *, former: bool) -> tuple[OtherStore, ...]:
    store = context.snapshot.store
    others = store.value.others if isinstance(store, Exact) else ()
    return tuple(other for other in others if (other.kind == "Docker root" and not other.runs) is former)


def _detect_beside(
    context: FindingContext, cause: str, others: tuple[OtherStore, ...], kind: UnitKind, remedy: str
) -> Iterable[Finding]:
    mine = (Category.DOCKER_OTHER, Category.OTHER_FILES)
    clients = tuple(ANOTHER_CLIENTS.values()) if kind is UnitKind.OTHER_ENGINE else ()
    items = [item for category in mine for item in context.in_state(category, kind.value, *clients)]
    amount = context.freed(item.owner_id for item in items)
    if not items or not context.notable(charged(amount)):
        return
    items.sort(key=lambda item: -charged(item.referenced))
    claim = ", ".join((kind.value, "; ".join(_whose(items, others)[:_MOST_STORES])))
    severity = context.severity(amount) if kind is UnitKind.FORMER_ROOT else Severity.P4
    evidence = tuple((f"{item.name} in {item.owner}", item.referenced) for item in items[:_MOST_NAMED])
    yield Finding(cause, severity, claim, amount, evidence, remedy, (), True, items[0].category)


def _whose(items: Iterable[Item], others: Iterable[OtherStore]) -> tuple[str, ...]:
    """The stores and namespaces that these lie in, in the order of the things."""
    stores = {other.path: _told(other) for other in others}
    return tuple(dict.fromkeys(stores.get(item.owner) or _namespace(item) for item in items))


def _told(other: OtherStore) -> str:
    what = [count(len(other.images), "image"), count(len(other.volumes), "volume")]
    by = f", {other.runs}" if other.runs else ""
    return f"{other.kind} {other.path}{by}, with {' and '.join(what)}"


def _namespace(item: Item) -> str:
    return f"containerd namespace {item.name.partition('/')[0]}"


def _ask_containerd(context: FindingContext) -> str:
    things = {(item.name.partition("/")[0], thing) for thing, state in ANOTHER_CLIENTS.items()
              for item in context.in_state(Category.DOCKER_OTHER, state)}  # fmt: skip
    asked = [f"ctr --namespace {space} {thing}s ls" for space, thing in sorted(things)]
    return " && ".join([*asked, *([_KUBERNETES] if "k8s.io" in dict(things) else [])])


def propose_beside(context: PlanContext) -> Proposal:
    """Nothing: whose it is, and whether it is needed, only its owner knows."""
    told = [found.claim for found in map(context.found, (FORMER_ID, ENGINE_ID)) if found is not None]
    return Proposal((), tuple(f"{claim}: no step, because {BESIDE_NO_STEP}." for claim in told), answered=bool(told))


FORMER_LINE = "a Docker root from before, with its images and volumes, that no engine runs on"
FORMER = Cause(
    FORMER_ID, Category.DOCKER_OTHER, None, None, FORMER_LINE, detect_former, propose_beside, no_step=BESIDE_NO_STEP
)

ENGINE_LINE = "what another engine, Podman or another client of containerd keeps on the same filesystem"
ENGINE = Cause(
    ENGINE_ID, Category.OTHER_FILES, None, None, ENGINE_LINE, detect_engine, propose_beside, no_step=BESIDE_NO_STEP
)


UNKNOWN_ID = "unknown-to-engine"
_UNDECIDED = (
    "What is on disk and the engine does not know: no step, because nobody can tell from here whether it is needed; "
    "a person decides."
)

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
_OF_PODMAN: Mapping[str, str] = {
    UnitKind.IMAGE_LAYER: "of a pull that goes on, or was ended: podman system check --quick --repair --max 1h",
    Category.CONTAINERS: "of a build that runs, or was ended: podman ps --external shows it, "
    "podman rm --storage --force NAME removes it",
    Category.IMAGES: "of a pull or load that was ended: podman image rm ID; until then podman images may fail",
}
_IMAGELESS = "no image that the engine lists has this layer: pull or load what it was of again, then remove that"
_NOBODYS = "no container stands behind it: who made it knows its name, ctr --namespace moby snapshots ls shows it"


def detect_unknown(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable; the remedy is that of the largest."""
    found = [item for category in _THINGS for item in _of_nobody(context, category) if charged(item.referenced)]
    found.sort(key=lambda item: -charged(item.referenced))
    amount = context.sum(item.referenced for item in found)
    if not found or not context.notable(charged(amount)):
        return
    first = found[0]
    more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
    claim = f"{_thing(first)} {first.name}{more} on disk that the engine does not know"
    evidence = tuple((f"{_thing(item)} {item.name}", item.referenced) for item in found[:_MOST_NAMED])
    remedy = f"for a person: {_remedy_of(context, first)}"
    yield Finding(UNKNOWN_ID, context.severity(amount), claim, amount, evidence, remedy, (), True, first.category)


def _of_nobody(context: FindingContext, category: Category) -> tuple[Item, ...]:
    nobodys = (UnitKind.FOREIGN.value, UnitKind.IMAGE_LAYER.value)
    return context.in_state(category, *(nobodys if category is Category.DOCKER_OTHER else (NOT_KNOWN,)))


def _thing(item: Item) -> str:
    return item.state if item.state == UnitKind.IMAGE_LAYER.value else _THINGS[item.category][0]


def _remedy_of(context: FindingContext, item: Item) -> str:
    theirs = _OF_PODMAN if context.tool == Flavour.PODMAN else {}
    if item.state == UnitKind.IMAGE_LAYER.value:
        return theirs.get(item.state, _IMAGELESS)
    if item.owner_id.kind is OwnerKind.UNIT and item.category is Category.CONTAINERS:
        return _NOBODYS
    return theirs.get(item.category) or _THINGS[item.category][1]


def propose_unknown(context: PlanContext) -> Proposal:
    """What Podman removes though it does not list it; of all else nothing: the sentence says who can."""
    if context.found(UNKNOWN_ID) is None:
        return Proposal()
    drafts = (*unlisted_by_podman(context), *layers_of_no_image(context))
    return Proposal(drafts) if drafts else Proposal((), (_UNDECIDED,), answered=True)


UNKNOWN_LINE = "containers, images, volumes and files on disk that the engine does not know"
UNKNOWN = Cause(UNKNOWN_ID, None, OwnerKind.IMAGE, Harm.TIME, UNKNOWN_LINE, detect_unknown, propose_unknown)
