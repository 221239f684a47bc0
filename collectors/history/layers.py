"""Which instruction of a Dockerfile makes the new bytes of each build. Pure.

Two builds of one repository share their layers up to the first that changed; everything from there on is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from collectors.model.engine import Image
from collectors.model.ids import ImageId
from collectors.model.reading import Exact


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One entry of an image's history that made a layer: the instruction as the builder wrote it, and its bytes."""

    instruction: str
    bytes: int


def busting_step(builds: Sequence[Image], histories: Mapping[ImageId, Sequence[BuildStep]]) -> str:
    """The instruction whose new layers cost most over these builds, and which change forces it; "" if not known.

    `histories`: the steps of an image that made a layer, base first; images without, or where they do not match the
    layers, are left out.
    """
    told = sorted(
        (
            (image.created_at.value, image.diff_ids.value, tuple(histories[image.id]))
            for image in builds
            if image.id in histories
            and isinstance(image.created_at, Exact)
            and isinstance(image.diff_ids, Exact)
            and len(image.diff_ids.value) == len(histories[image.id])
        ),
        key=lambda build: build[0],
    )
    cost: Counter[str] = Counter()
    first: dict[str, Counter[str]] = {}
    for (_, old, _), (_, new, steps) in pairwise(told):
        changed = next((i for i, layer in enumerate(new) if i >= len(old) or old[i] != layer), len(new))
        for step in steps[changed:]:
            cost[step.instruction] += step.bytes
            first.setdefault(step.instruction, Counter())[steps[changed].instruction] += 1
    if not cost or cost.most_common(1)[0][1] <= 0:
        return ""
    costly = cost.most_common(1)[0][0]
    forced_by = first[costly].most_common(1)[0][0]
    return costly if forced_by == costly else f"{costly} (again after {forced_by})"
