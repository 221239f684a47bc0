"""Images that no container uses: tagged ones, untagged ones, those of a containerd with no engine above it.

A tagged one is a step by itself, longest unused first; what rebuilding the same tag leaves behind is one step for all.
A containerd's are one step a namespace, by the client that names them, for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal, because
from collectors.causes.engine_leftovers import leftover_targets, leftovers
from collectors.causes.finding_context import FindingContext, count, largest, mostly, owners
from collectors.causes.plan_context import PlanContext
from collectors.causes.unneeded import Unused, choose_images, own_bytes
from collectors.model import Owner, OwnerKind
from collectors.model.engine import Image
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, charged, total
from collectors.model.snapshot import Snapshot
from collectors.model.store import StoredImage, UnitKind

ID = "unused-images"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    unused = () if context.snapshot.alone else context.in_state(Category.IMAGES, "unused")
    freed = context.freed_beside_cache(owners(unused))
    if unused and context.notable(charged(freed)):
        claim = f"{count(len(unused), 'tagged image')} that no container uses{mostly(unused)}"
        remedy = "remove those that are not needed any more, by id"
        yield Finding(ID, Severity.P4, claim, freed, largest(unused), remedy, owners(unused), True)


def propose(context: PlanContext) -> Proposal:
    """One step an image, untagged ones of unknown age too; and why other images stay."""
    chosen = context.once(choose_images)
    drafts = tuple(_draft(context, one) for one in chosen.others)
    return Proposal(drafts, chosen.left_out, reason=_reason(context, chosen.others_stay))


def _reason(context: PlanContext, stay: Mapping[str, int]) -> str:
    """Why a finding about images has no step."""
    listed = isinstance(context.engine.images, Exact) and isinstance(context.engine.containers, Exact)
    return because(stay, "the engine lists none any more" if listed else "which are in use could not be listed")


def _draft(context: PlanContext, unused: Unused) -> Draft:
    image, idle_s = unused.image, unused.idle_s
    name = next(iter(image.tags or image.digests), image.id.removeprefix("sha256:")[:12])
    refs = image.tags if len(image.tags) > 1 else (image.id.removeprefix("sha256:")[:12],)
    known = unused.known  # else a person has to say
    needs = "no container uses it, and its tags still name it"
    return Draft(
        id=Owner(OwnerKind.IMAGE, image.id).text(),
        action="image.remove",
        title=f"Remove the unused image {name}",
        command=base.ask_engine(context, "image", "rm", *refs),
        targets=(Owner(OwnerKind.IMAGE, image.id),),
        rank=70 if known else 90,
        within=(-(idle_s or 0.0), image.id),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs=needs if known else f"{needs}; a person who knows how long it has been here",
        costs="pulled or built again when it is needed",
        undo=_again(context, image),
        automatic=known,
        requires=unused.after,
        young_s=unused.young_s,
        claimed=own_bytes(context, image),
    )


def _again(context: PlanContext, image: Image) -> str:
    if image.digests:
        return base.ask_engine(context, "pull", image.digests[0])
    return "build it again; it was never pulled from or pushed to a registry"


LINE = "tagged images that no container uses"
REMOVER = "collectors.causes.unused_images.remove:Images"
CAUSE = Cause(ID, Category.IMAGES, OwnerKind.IMAGE, Harm.TIME, LINE, detect, propose, REMOVER)


_WITH_CACHE = "docker"  # what Podman builds from is images
DANGLING_ID = "dangling-images"
DANGLING_STEP = "images.dangling"
YOUNG_STEP = "images.dangling.young"


def detect_dangling(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    dangling = context.in_state(Category.IMAGES, "dangling")
    freed = context.freed_beside_cache(owners(dangling))
    if dangling and context.notable(charged(freed)):
        claim = f"{count(len(dangling), 'dangling image')} that no container uses"
        cache = ", and docker builder prune for what the build cache holds of them"
        remedy = f"{context.tool} image prune{cache if context.tool == _WITH_CACHE else ''}"
        yield Finding(
            DANGLING_ID, context.severity(freed), claim, freed, largest(dangling), remedy, owners(dangling), True
        )


def propose_dangling(context: PlanContext) -> Proposal:
    """One step for those that are known to be here for long, one for the young; any other is a step of its own."""
    chosen = context.once(choose_images)
    old = [one for one in chosen.dangling if not one.young_s]
    young = [one for one in chosen.dangling if one.young_s]
    drafts = tuple(_draft_dangling(context, found) for found in (old, young) if found)
    return Proposal(drafts, reason=_reason(context, chosen.dangling_stay))


def _draft_dangling(context: PlanContext, unused: list[Unused]) -> Draft:
    """Of images that are all old enough, or all young."""
    found, young_s = [one.image for one in unused], max(one.young_s for one in unused)

    def command(left: tuple[Owner, ...]) -> str:
        return base.ask_engine(context, "image", "rm", *(t.id.rpartition(":")[2][:12] for t in left))

    targets = tuple(Owner(OwnerKind.IMAGE, image.id) for image in found)
    unique = total([own_bytes(context, image) for image in found], context.origin("sizes as the engine counts them"))
    return Draft(
        id=YOUNG_STEP if young_s else DANGLING_STEP,
        action="image.remove",
        title=f"Remove {'young ' if young_s else ''}dangling images that no container uses",
        command=command(targets),
        targets=targets,
        rank=60,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="no container uses them, and they are still untagged",
        costs="an untagged image may be the only way back to an earlier build",
        undo="build or pull the earlier version again",
        automatic=True,
        claimed=unique,
        trim={target: frozenset() for target in targets},
        command_for=command,
        young_s=young_s,
    )


DANGLING_LINE = "images without a tag that no container uses"
DANGLING_REMOVER = "collectors.causes.unused_images.remove:DanglingImages"
DANGLING = Cause(
    DANGLING_ID,
    Category.IMAGES,
    OwnerKind.IMAGE,
    Harm.TIME,
    DANGLING_LINE,
    detect_dangling,
    propose_dangling,
    DANGLING_REMOVER,
)


CONTAINERD_ID = "containerd-images"
_KUBERNETES, _PLACE = "k8s.io", "/run/containerd/containerd.sock"


def detect_containerd(context: FindingContext) -> Iterable[Finding]:
    """Those of all namespaces together; the remedy says how each is asked."""
    unused = context.in_state(Category.IMAGES, "unused") if context.snapshot.alone else ()
    freed = context.freed(owners(unused))
    if unused and context.notable(charged(freed)):
        spaces = sorted({item.name.partition("/")[0] for item in unused})
        claim = f"{count(len(unused), 'image')} of containerd that no container uses, in {' and '.join(spaces)}"
        asked = " && ".join(_ask(space, _address(context.snapshot)) for space in spaces)
        severity = context.severity(freed, Severity.P4)
        yield Finding(CONTAINERD_ID, severity, claim, freed, largest(unused), f"look at them: {asked}", (), True)


def propose_containerd(context: PlanContext) -> Proposal:
    """One step a namespace. None is done from here: no engine says again, right before, that nothing uses them."""
    stored = context.snapshot.stored_images
    if not context.snapshot.alone or not isinstance(stored, Exact):
        return Proposal()
    unused: dict[str, list[StoredImage]] = {}
    for image in stored.value:
        if image.users == () and image.tags:
            unused.setdefault(image.tags[0].partition("/")[0], []).append(image)
    drafts = (_of_namespace(space, images, _address(context.snapshot)) for space, images in sorted(unused.items()))
    return Proposal(tuple(drafts))


def _of_namespace(space: str, images: list[StoredImage], address: str) -> Draft:
    names = [tag.partition("/")[2] for image in images for tag in image.tags]
    endpoint = ("--runtime-endpoint", f"unix://{address}") if address != _PLACE else ()
    by_name = base.command("ctr", *_at(address), "--namespace", space, "images", "rm", *names)
    return Draft(
        id=f"{CONTAINERD_ID}:{space}",
        action="containerd.remove",
        title=f"Remove the images of {space} that no container uses",
        command=base.command("crictl", *endpoint, "rmi", "--prune") if space == _KUBERNETES else by_name,
        targets=tuple(Owner(OwnerKind.IMAGE, image.id) for image in images),
        rank=75,
        within=(space,),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="a person who knows that nothing is to be started from them: no engine is there to be asked",
        costs="pulled again when it is needed, if a registry still has it",
        undo="pull them again",
        automatic=False,
    )


def _address(snapshot: Snapshot) -> str:
    return (isinstance(snapshot.store, Exact) and snapshot.store.value.address) or _PLACE


def _at(address: str) -> tuple[str, ...]:
    return ("--address", address) if address != _PLACE else ()


def _ask(space: str, address: str) -> str:
    return base.command("ctr", *_at(address), "--namespace", space, "images", "ls")


CONTAINERD_LINE = "images of a containerd without Docker that no container uses"
CONTAINERD = Cause(
    CONTAINERD_ID,
    Category.IMAGES,
    OwnerKind.IMAGE,
    Harm.TIME,
    CONTAINERD_LINE,
    detect_containerd,
    propose_containerd,
    no_step="none of them has a name to remove it by",
)


def layers_of_no_image(context: PlanContext) -> tuple[Draft, ...]:
    """Those that a pull of Podman's left that was ended before its image was made, in one step."""
    units = sorted(leftovers(context, UnitKind.IMAGE_LAYER), key=lambda unit: unit.path)
    draft = Draft(
        id="layers-of-no-image",
        action="unlisted.remove",
        title="Remove layers of pulls that were ended, which no image has",
        command=base.ask_engine(context, "system", "check", "--quick", "--repair", "--max", "1h"),
        targets=leftover_targets(units),
        rank=124,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="Podman 5.1 or newer; no pull or build that has been going on for over 1 h. It also removes images that "
        "are damaged and in no container",
        costs="none, unless a pull goes on after all: it then has to start over",
        undo="none needed: the pull brings them again",
        automatic=False,
    )
    return (draft,) if units else ()
