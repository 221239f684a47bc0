"""Which images no container uses, and for how long: dangling ones together, tagged ones each by itself.

How old an image is *here* is what counts. Its build date says nothing: an image that was loaded seconds ago may have
been built in 2020. So the age comes from the journal or from the birth of its layers' directories, and an image without
either is proposed to a person, never removed by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from collectors.causes import stopped_containers
from collectors.causes.commands import KEPT, in_use, kept, unread
from collectors.causes.holders import counted, holders
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container, Image
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Size, remainder
from collectors.model.records import dataclass
from collectors.model.settings import has_label, image_names, matches
from collectors.model.store import UnitKind

_USED = "in use by a container (removing that first frees them too)"
_LAYERS = frozenset({UnitKind.IMAGE_LAYER, UnitKind.CONTENT, UnitKind.BUILD_SNAPSHOT})


@dataclass(frozen=True, slots=True)
class Unused:
    """`idle_s` None: how long it has been here is not known. `after`: steps that remove the containers made from it.

    `young_s`: how long until it is as old as the rules ask for; 0 where it is, or where nobody can tell. `known`: its
    age is known well enough to go, or to wait, without a person; where no age is asked for, it is.
    """

    image: Image
    idle_s: float | None
    after: frozenset[str]
    young_s: float
    known: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that may go; and, of those without and with a name, how many stay for which reason."""

    dangling: tuple[Unused, ...]  # longest unused first
    others: tuple[Unused, ...]
    dangling_stay: Mapping[str, int]
    others_stay: Mapping[str, int]
    left_out: tuple[str, ...]


def choose_images(context: PlanContext) -> Choice:
    """Images that are neither in use nor kept, the young ones marked."""
    if not isinstance(context.engine.images, Exact):
        return Choice((), (), {}, {}, unread("Images", context.engine.images))
    use = context.once(holders)
    if not use.known:
        return Choice((), (), {}, {}, unread("Images", context.engine.containers))
    births, removed = _births(context), stopped_containers.removed_by(context)
    dangling: list[Unused] = []
    others: list[Unused] = []
    stay: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for image in context.engine.images.value:
        loose, mine = _loose(image), use.of_image(image)
        if why := _why_it_stays(context, image, mine, removed):
            stay[loose][why] += 1
            continue
        unused = _unused(context, image, mine, births, removed)
        (dangling if loose and not mine and unused.known else others).append(unused)
    dangling.sort(key=lambda one: (-(one.idle_s or 0.0), one.image.id))
    return Choice(tuple(dangling), tuple(others), stay[True], stay[False], _sentences(stay[True] + stay[False]))


def _loose(image: Image) -> bool:
    return not image.tags and not image.digests


def _why_it_stays(context: PlanContext, image: Image, mine: Sequence[Container], removed: Mapping[str, str]) -> str:
    """After "it is"; "" where it may go. `mine` are the containers that hold it, `removed` those that steps remove."""
    if any(container.id not in removed for container in mine) or (counted(image) and not mine):
        return _USED
    return KEPT if _kept(context, image) else ""


def _unused(
    context: PlanContext,
    image: Image,
    mine: Sequence[Container],
    births: Mapping[Owner, datetime],
    removed: Mapping[str, str],
) -> Unused:
    """A build date alone says that it cannot be older here, so that it is young for sure, but never that it is old."""
    ended = [c.finished_at.value for c in mine if isinstance(c.finished_at, Exact)]
    idle, strong = _age(context, image, births, ended)
    rules = context.rules
    least = rules.least_s(rules.dangling_age_s if _loose(image) else rules.image_age_s)
    young = max(0.0, least - idle) if idle is not None else 0.0
    known = strong or young > 0 or not least
    return Unused(image, idle if known else None, frozenset(removed[c.id] for c in mine), young, known)


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


def _sentences(stay: Mapping[str, int]) -> tuple[str, ...]:
    words = {
        _USED: lambda n: in_use(n, "image" if n == 1 else "images"),
        KEPT: lambda n: kept(n, "image" if n == 1 else "images", "label or pattern"),
    }
    return tuple(words[key](stay[key]) for key in words if stay.get(key))
