"""Which images no container uses, and for how long: dangling ones together, tagged ones each by itself.

How old an image is *here* is what counts. Its build date says nothing: an image that was loaded seconds ago may have
been built in 2020. So the age comes from the journal or from the birth of its layers' directories, and an image without
either is proposed to a person, never removed by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from collectors.causes import stopped_containers
from collectors.causes.commands import in_use, kept, too_young, unread
from collectors.causes.holders import counted, holders
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Image
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Size, remainder
from collectors.model.settings import has_label, image_names, matches
from collectors.model.store import UnitKind

_LAYERS = frozenset({UnitKind.IMAGE_LAYER, UnitKind.CONTENT, UnitKind.BUILD_SNAPSHOT})


@dataclass(frozen=True, slots=True)
class Unused:
    """`idle_s` None: how long it has been here is not known. `after`: steps that remove the containers made from it."""

    image: Image
    idle_s: float | None
    after: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that may go, and why others may not, one sentence for each reason."""

    dangling: tuple[Unused, ...]  # longest unused first
    others: tuple[Unused, ...]
    left_out: tuple[str, ...]


def choose_images(context: PlanContext) -> Choice:
    """Images that are not in use, not kept and not young."""
    if not isinstance(context.engine.images, Exact):
        return Choice((), (), (unread("Images", context.engine.images),))
    use = context.once(holders)
    if not use.known:
        return Choice((), (), (unread("Images", context.engine.containers),))
    births, removed = _births(context), stopped_containers.removed_by(context)
    dangling: list[Unused] = []
    others: list[Unused] = []
    count: defaultdict[str, int] = defaultdict(int)
    for image in context.engine.images.value:
        mine = use.of_image(image)
        after = frozenset(removed[c.id] for c in mine if c.id in removed)
        if any(c.id not in removed for c in mine) or (counted(image) and not mine):
            count["used"] += 1
        elif _kept(context, image):
            count["kept"] += 1
        else:
            ended = [c.finished_at.value for c in mine if isinstance(c.finished_at, Exact)]
            idle, strong = _age(context, image, births, ended)
            loose = not image.tags and not image.digests
            if idle is not None and idle < (context.rules.dangling_age_s if loose else context.rules.image_age_s):
                count["young"] += 1
            elif loose and strong and idle is not None and not mine:
                dangling.append(Unused(image, idle, after))
            else:
                others.append(Unused(image, idle if strong else None, after))
    dangling.sort(key=lambda one: (-(one.idle_s or 0.0), one.image.id))
    return Choice(tuple(dangling), tuple(others), _sentences(count))


def own_bytes(context: PlanContext, image: Image) -> Size:
    """What the engine says that this image holds alone."""
    return remainder(image.size, image.shared, context.origin("sizes as the engine counts them"))


def _births(context: PlanContext) -> Mapping[Owner, datetime]:
    """When the youngest layer directory of each image was made on this machine."""
    newest: dict[Owner, datetime] = {}
    for unit in context.units:
        if unit.kind in _LAYERS and unit.created_at is not None:
            for who in unit.owners:
                newest[who] = max(newest.get(who, unit.created_at), unit.created_at)
    return newest


def _age(
    context: PlanContext, image: Image, births: Mapping[Owner, datetime], ended: Iterable[datetime]
) -> tuple[float | None, bool]:
    """Seconds since it was last used or arrived, and whether that is known (a build date alone is not knowing)."""
    who = Owner(OwnerKind.IMAGE, image.id)
    built = [image.created_at.value] if isinstance(image.created_at, Exact) else []
    known = [*ended, *([births[who]] if who in births else [])]
    return context.idle_s(who, [*built, *known]), bool(known) or who in context.last_used


def _kept(context: PlanContext, image: Image) -> bool:
    names = image_names(image.tags, image.digests, image.id)
    return bool(has_label(image.labels, context.rules) or matches(names, context.rules.images))


def _sentences(count: Mapping[str, int]) -> tuple[str, ...]:
    words = {
        "used": lambda n: in_use(n, "image" if n == 1 else "images"),
        "kept": lambda n: kept(n, "image" if n == 1 else "images", "label or pattern"),
        "young": lambda n: too_young(n, "unused image" if n == 1 else "unused images"),
    }
    return tuple(words[key](count[key]) for key in words if count.get(key))
