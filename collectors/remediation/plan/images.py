"""Images that no container uses: dangling ones together, tagged ones each by itself, longest unused first.

How old an image is *here* is what counts. Its build date says nothing: an image that was loaded seconds ago may have
been built in 2020. So the age comes from the journal or from the birth of its layers' directories, and an image without
either is proposed to a person, never removed by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from collectors.accounting.parents import hidden_parents
from collectors.model.engine import Image
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact, Origin
from collectors.model.store import UnitKind
from collectors.model.sums import remainder, total
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.keep import has_label, image_names, matches
from collectors.remediation.plan.use import counted, holders

DANGLING = "images.dangling"
_LAYERS = frozenset({UnitKind.IMAGE_LAYER, UnitKind.CONTENT, UnitKind.BUILD_SNAPSHOT})


def images(case: Case, containers: Mapping[str, str]) -> Found:
    """Steps for unused images. `containers` maps a container id to the step that removes it by itself."""
    if not isinstance(case.engine.images, Exact):
        return Found(left_out=(explain.unread("Images", case.engine.images),))
    use = holders(case)
    if not use.known:
        return Found(left_out=(explain.unread("Images", case.engine.containers),))
    births = _births(case)
    dangling: list[tuple[float, Image]] = []
    drafts: list[Draft] = []
    count: defaultdict[str, int] = defaultdict(int)
    for image in case.engine.images.value:
        mine = use.of_image(image)
        before = frozenset(containers[c.id] for c in mine if c.id in containers)
        if any(c.id not in containers for c in mine) or (counted(image) and not mine):
            count["used"] += 1
        elif _kept(case, image):
            count["kept"] += 1
        else:
            ended = [c.finished_at.value for c in mine if isinstance(c.finished_at, Exact)]
            idle, strong = _age(case, image, births, ended)
            loose = not image.tags and not image.digests
            if idle is not None and idle < (case.rules.dangling_age_s if loose else case.rules.image_age_s):
                count["young"] += 1
            elif loose and strong and idle is not None and not mine:
                dangling.append((idle, image))
            else:
                drafts.append(_one(case, image, idle if strong else None, before))
    if dangling:
        drafts.append(
            _dangling(case, [image for _, image in sorted(dangling, key=lambda pair: (-pair[0], pair[1].id))])
        )
    return Found(tuple(drafts), _sentences(count))


def hidden(case: Case) -> Mapping[Owner, frozenset[Owner]]:
    """Parents of the old builder, which the engine does not list → the listed images that take them along."""
    return hidden_parents(case.snapshot)


def _births(case: Case) -> Mapping[Owner, datetime]:
    """When the youngest layer directory of each image was made on this machine."""
    newest: dict[Owner, datetime] = {}
    for unit in case.units:
        if unit.kind in _LAYERS and unit.created_at is not None:
            for who in unit.owners:
                newest[who] = max(newest.get(who, unit.created_at), unit.created_at)
    return newest


def _age(
    case: Case, image: Image, births: Mapping[Owner, datetime], ended: Iterable[datetime]
) -> tuple[float | None, bool]:
    """Seconds since it was last used or arrived, and whether that is known (a build date alone is not knowing)."""
    who = Owner(OwnerKind.IMAGE, image.id)
    built = [image.created_at.value] if isinstance(image.created_at, Exact) else []
    known = [*ended, *([births[who]] if who in births else [])]
    return case.idle_s(who, [*built, *known]), bool(known) or who in case.last_used


def _kept(case: Case, image: Image) -> bool:
    names = image_names(image.tags, image.digests, image.id)
    return bool(has_label(image.labels, case.rules) or matches(names, case.rules.images))


def _one(case: Case, image: Image, idle_s: float | None, before: frozenset[str]) -> Draft:
    """`idle_s` None: how long it has been here is not known, and a person has to say."""
    name = next(iter(image.tags or image.digests), image.id.removeprefix("sha256:")[:12])
    refs = image.tags if len(image.tags) > 1 else (image.id.removeprefix("sha256:")[:12],)
    known = idle_s is not None
    needs = "no container uses it, and its tags still name it"
    return Draft(
        id=Owner(OwnerKind.IMAGE, image.id).text(),
        action="image.remove",
        title=f"Remove the unused image {name}",
        command=commands.line(case.tool, "image", "rm", *refs),
        targets=(Owner(OwnerKind.IMAGE, image.id),),
        rank=Rank.IMAGE if known else Rank.UNAGED_IMAGE,
        within=(-(idle_s or 0.0), image.id),
        risk=Risk.CAREFUL,
        needs=needs if known else f"{needs}; somebody who knows since when it is here",
        costs="pulled or built again when it is wanted",
        undo=_again(case.tool, image),
        automatic=known,
        rules=("unused-images",),
        requires=before,
        claimed=remainder(image.size, image.shared, _origin(case)),
    )


def _dangling(case: Case, found: list[Image]) -> Draft:
    def command(left: tuple[Owner, ...]) -> str:
        return commands.line(case.tool, "image", "rm", *(t.id.rpartition(":")[2][:12] for t in left))

    targets = tuple(Owner(OwnerKind.IMAGE, image.id) for image in found)
    unique = total([remainder(image.size, image.shared, _origin(case)) for image in found], _origin(case))
    return Draft(
        id=DANGLING,
        action="image.remove",
        title="Remove dangling images that no container uses",
        command=command(targets),
        targets=targets,
        rank=Rank.DANGLING,
        within=(),
        risk=Risk.CAREFUL,
        needs="no container uses them, and they are still untagged",
        costs="an untagged image may be the only way back to an earlier build",
        undo="build or pull the earlier version again",
        automatic=True,
        rules=("dangling-images",),
        claimed=unique,
        trim={target: frozenset() for target in targets},
        command_for=command,
    )


def _again(tool: str, image: Image) -> str:
    if image.digests:
        return commands.line(tool, "pull", image.digests[0])
    return "build it again; it was never pulled from or pushed to a registry"


def _origin(case: Case) -> Origin:
    return Origin("plan", "sizes as the engine counts them", case.snapshot.ended_at, 0.0)


def _sentences(count: Mapping[str, int]) -> tuple[str, ...]:
    words = {
        "used": lambda n: explain.in_use(n, "image" if n == 1 else "images"),
        "kept": lambda n: explain.kept(n, "image" if n == 1 else "images", "label or pattern"),
        "young": lambda n: explain.too_young(n, "unused image" if n == 1 else "unused images"),
    }
    return tuple(words[key](count[key]) for key in words if count.get(key))
