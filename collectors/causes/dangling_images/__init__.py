"""Images without a tag that no container uses: what rebuilding the same tag leaves behind. One step for all."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.images import choose_images, own_bytes
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Image
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import charged, total

ID = "dangling-images"
STEP = "images.dangling"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    dangling = context.in_state(Category.IMAGES, "dangling")
    freed = context.freed_beside_cache(owners(dangling))
    if dangling and context.notable(charged(freed)):
        claim = f"{count(len(dangling), 'dangling image')} that no container uses"
        remedy = "docker image prune, and docker builder prune for what the build cache holds of them"
        yield Finding(ID, context.severity(freed), claim, freed, largest(dangling), remedy, owners(dangling), True)


def propose(context: PlanContext) -> Proposal:
    """One step for those that are known to be here for long; of the others each is a step of its own."""
    found = [one.image for one in context.once(choose_images).dangling]
    return Proposal((_draft(context, found),)) if found else Proposal()


def _draft(context: PlanContext, found: list[Image]) -> Draft:
    def command(left: tuple[Owner, ...]) -> str:
        return commands.line(context.tool, "image", "rm", *(t.id.rpartition(":")[2][:12] for t in left))

    targets = tuple(Owner(OwnerKind.IMAGE, image.id) for image in found)
    unique = total([own_bytes(context, image) for image in found], context.origin("sizes as the engine counts them"))
    return Draft(
        id=STEP,
        action="image.remove",
        title="Remove dangling images that no container uses",
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
    )


LINE = "images without a tag that no container uses"
REMOVER = "collectors.causes.unused_images.remove:DanglingImages"
CAUSE = Cause(ID, Category.IMAGES, OwnerKind.IMAGE, Harm.TIME, LINE, detect, propose, REMOVER)
