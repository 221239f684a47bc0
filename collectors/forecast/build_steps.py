"""Which instruction of a Dockerfile makes the new bytes of each build, as a person would look for it. Pure.

A step of an image's history as the line of the Dockerfile that a person would look for. Pure.

Builders write the same line in their own ways, with what differs from build to build (a checksum, the values of build
arguments) in it: without that, twelve builds of one line look like twelve lines.

Which instruction of a Dockerfile makes the new bytes of each build. Pure.

Two builds of one repository share their layers up to the first that changed; everything from there on is new.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from collectors.model.engine import HistoryStep, Image
from collectors.model.owner import ImageId
from collectors.model.reading import Exact
from collectors.model.records import dataclass

# What the old builder puts before everything that ran no command.
_NO_COMMAND = re.compile(r"/bin/sh -c #\(nop\) ")
# `|2 A=1 B=two words `: the build arguments that were in force, before the shell.
_ARGUMENTS = re.compile(r"(RUN )?\|\d+ .*?(?=/bin/sh -c )", re.DOTALL)
_SHELL = re.compile(r"(RUN )?/bin/sh -c ")
_CHECKSUM = re.compile(r"\A(COPY|ADD)((?: --\S+)*) (?:file|dir|multi):[0-9a-f]{8,64} in ")
_BUILDKIT = re.compile(r"\s+# buildkit\s*\Z")
_LONGEST = 2000

_DESCRIBING = "ARG CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD SHELL STOPSIGNAL USER VOLUME"
_METADATA = frozenset(_DESCRIBING.split())


def plain_instruction(written: str) -> str:
    """`RUN make`, `COPY … /srv/app`: one line, without what only the builder knows."""
    text = _BUILDKIT.sub("", written[:_LONGEST])
    if (found := _NO_COMMAND.match(text)) is not None:
        text = text[found.end() :]
    else:
        text = _ARGUMENTS.sub(lambda found: found[1] or "", text, count=1)
        text = _SHELL.sub("RUN ", text, count=1) if _SHELL.match(text) else text
    return " ".join(_CHECKSUM.sub(r"\1\2 … ", text).split())


def is_metadata(instruction: str) -> bool:
    """Does an instruction in its plain form only describe the image, with every builder?"""
    return instruction.partition(" ")[0].upper() in _METADATA


def may_be_metadata(instruction: str) -> bool:
    """The same, or does it with some builders?"""
    return is_metadata(instruction) or instruction.partition(" ")[0].upper() == "WORKDIR"


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One entry of an image's history that made a layer: the instruction as the Dockerfile has it, and its bytes."""

    instruction: str
    bytes: int


def build_steps(history: Sequence[HistoryStep], layers_count: int) -> tuple[BuildStep, ...]:
    """The steps that made the `layers_count` layers of an image, base first; empty if they cannot be told apart.

    An engine says 0 bytes both for a step without a layer and for an empty layer: the instruction decides, and where
    it leaves a choice (WORKDIR makes a layer with one builder and none with another), the number of layers does.
    """
    steps = []
    for step in history:
        if not isinstance(step.size, Exact):
            return ()
        steps.append(BuildStep(plain_instruction(step.instruction), step.size.value))
    choices: tuple[Callable[[BuildStep], bool], ...] = (
        lambda step: step.bytes > 0 or not is_metadata(step.instruction),
        lambda step: step.bytes > 0 or not may_be_metadata(step.instruction),
        lambda step: step.bytes > 0,
    )
    for makes_layer in choices:
        made = tuple(step for step in steps if makes_layer(step))
        if len(made) == layers_count:
            return made
    return ()


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
