"""Tagged images that no container uses: each a step by itself, longest unused first."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.images import Unused, choose_images, own_bytes
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Image
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import charged

ID = "unused-images"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    unused = context.in_state(Category.IMAGES, "unused")
    freed = context.freed_beside_cache(owners(unused))
    if unused and context.notable(charged(freed)):
        claim = f"{count(len(unused), 'tagged image')} that no container uses"
        remedy = "remove those that are not needed any more, by id"
        yield Finding(ID, Severity.P4, claim, freed, largest(unused), remedy, owners(unused), True)


def propose(context: PlanContext) -> Proposal:
    """One step an image, untagged ones of unknown age too; and why other images stay."""
    chosen = context.once(choose_images)
    return Proposal(tuple(_draft(context, one) for one in chosen.others), chosen.left_out)


def _draft(context: PlanContext, unused: Unused) -> Draft:
    image, idle_s = unused.image, unused.idle_s
    name = next(iter(image.tags or image.digests), image.id.removeprefix("sha256:")[:12])
    refs = image.tags if len(image.tags) > 1 else (image.id.removeprefix("sha256:")[:12],)
    known = idle_s is not None  # else a person has to say
    needs = "no container uses it, and its tags still name it"
    return Draft(
        id=Owner(OwnerKind.IMAGE, image.id).text(),
        action="image.remove",
        title=f"Remove the unused image {name}",
        command=commands.line(context.tool, "image", "rm", *refs),
        targets=(Owner(OwnerKind.IMAGE, image.id),),
        rank=70 if known else 90,
        within=(-(idle_s or 0.0), image.id),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs=needs if known else f"{needs}; a person who knows how long it has been here",
        costs="pulled or built again when it is needed",
        undo=_again(context.tool, image),
        automatic=known,
        requires=unused.after,
        claimed=own_bytes(context, image),
    )


def _again(tool: str, image: Image) -> str:
    if image.digests:
        return commands.line(tool, "pull", image.digests[0])
    return "build it again; it was never pulled from or pushed to a registry"


LINE = "tagged images that no container uses"
REMOVER = "collectors.causes.unused_images.remove:Images"
CAUSE = Cause(ID, Category.IMAGES, OwnerKind.IMAGE, Harm.TIME, LINE, detect, propose, REMOVER)
