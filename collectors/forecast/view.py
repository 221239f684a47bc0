"""What the journal adds to a report: runs, growth, crossings, a sparkline, and the step that makes each build's bytes.

Growth is what is left after prunes, in bytes a day; a figure whose history is too short is left out, not shown as 0.
Two builds of one repository share their layers up to the first that changed; everything from there on is new. Builders
write one line of a Dockerfile in their own ways, with what differs from build to build (a checksum, the values of build
arguments) in it: without that, twelve builds of one line look like twelve lines. Pure but for `look_back`, which reads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

from collectors.forecast import OWNER, TREES_LEFT, TREES_USED, USED, USED_PERCENT, Point, figure, keys, series
from collectors.forecast.crossings import filled, forecast, path_of, study
from collectors.journal import Journal
from collectors.journal.reading import read, sample
from collectors.model import ImageId, dataclass
from collectors.model.engine import HistoryStep, Image
from collectors.model.reading import Exact, Unavailable
from collectors.model.report import Crossing, Growth, Sample, TrendView
from collectors.model.settings import Thresholds
from collectors.system.folders import Folder

DAY_S = 86400.0
# Every run of a week, and the weeks before in samples: close enough to know a Sunday.
_CLOSELY = timedelta(days=8)
_FROM_AFAR = timedelta(days=35)
_SAMPLES = 27 * 16
_SPARK = 200
# Owners are many: only those that moved most are studied.
_OWNERS_STUDIED = 8
_LOOKS = 12
_GROWTH_SHOWN = 8


def look_back(folder: Folder | Path, *, now: datetime, thresholds: Thresholds) -> tuple[TrendView, Journal, Journal]:
    """The view of a journal up to `now`, of the newest record's filesystem; the last week's records (for churn,
    hysteresis); and these with samples of the weeks before, which the view is made from."""
    near = read(folder, since=now - _CLOSELY, now=now)
    far = sample(folder, since=now - _FROM_AFAR, count=_SAMPLES, now=now - _CLOSELY)
    month = replace(near, records=(*far.records, *near.records), foreign=(*far.foreign, *near.foreign))
    return view(month, now=now, thresholds=thresholds), near, month


def view(journal: Journal, *, now: datetime, thresholds: Thresholds) -> TrendView:
    """The trend of a journal's records; churn is added by whoever knows the images (`churn`)."""
    newest = journal.records[-1] if journal.records else None
    used_percent = _thinned(series(journal, USED_PERCENT))
    if newest is None or newest.used_bytes is None or newest.available_bytes is None:
        reason = "no earlier runs in the journal" if newest is None else "used bytes are not known"
        oldest = journal.records[0].at if journal.records else None
        return TrendView(len(journal.records), oldest, (), (), (), used_percent, reason, journal.skipped_lines)
    usable = newest.used_bytes + newest.available_bytes
    ahead = forecast(series(journal, USED), total=usable, thresholds=thresholds, now=now)
    return TrendView(
        len(journal.records),
        journal.records[0].at,
        growth(journal, now=now),
        ahead.crossings,
        (),
        used_percent,
        ahead.reason,
        journal.skipped_lines,
        trees_full(journal, now=now),
    )


def trees_full(journal: Journal, *, now: datetime) -> Crossing | None:
    """When the metadata of a btrfs is full: its chunks are, and no room is left for another, which data takes as well.

    The later of the two, for both have to come. None where one does not, and on other filesystems.
    """
    newest, left = journal.records[-1].allocation, series(journal, TREES_LEFT)
    if newest is None or not left:
        return None
    most = max(point.value for point in left)
    taken = tuple(replace(point, value=most - point.value) for point in left)
    ends = (filled(series(journal, TREES_USED), newest.metadata_total_bytes, now), filled(taken, most, now))
    both = [end for end in ends if end is not None]
    return max(both, key=lambda end: end.at) if len(both) == len(ends) else None


def growth(journal: Journal, *, now: datetime) -> tuple[Growth, ...]:
    """Growth of used first, then of the categories and owners that grow or shrink for certain, fastest first."""
    known = keys(journal)
    studied = [key for key in known if not key.startswith(OWNER)] + _movers(journal, known)
    found = [one for key in studied if (one := _growth(key, series(journal, key), now)) is not None]
    used = [one for one in found if one.key == USED]
    parts = [one for one in found if one.key != USED and _is_sure(one)]
    return (*used, *sorted(parts, key=lambda one: -abs(one.bytes_per_day))[:_GROWTH_SHOWN])


def _is_sure(growth: Growth) -> bool:
    """Does it grow, or shrink, for certain?"""
    return growth.low_bytes_per_day > 0 or growth.high_bytes_per_day < 0


def _growth(key: str, points: Sequence[Point], now: datetime) -> Growth | None:
    now_s = now.timestamp()
    found = study(points, now_s)
    if found is None:
        return None
    low, best, high = (round(pace * DAY_S) for pace in path_of(found, now_s).pace)
    span_s = found.points[-1].at_s - found.points[0].at_s
    return Growth(key.removeprefix(OWNER), best, low, high, len(found.points), span_s, change(points, now_s))


def change(points: Sequence[Point], now_s: float, over_s: float = DAY_S) -> int | None:
    """The newest value against the last one that is at least `over_s` old; None where none is, or it is far older."""
    before = [point for point in points if now_s - 1.5 * over_s <= point.at_s <= now_s - over_s]
    return points[-1].value - before[-1].value if before else None


def _movers(journal: Journal, known: Sequence[str]) -> list[str]:
    """The owners whose bytes differ most between a few runs spread over the journal."""
    told = [record for record in journal.records if record.owners is not None]
    looks = [told[len(told) * share // _LOOKS] for share in range(_LOOKS) if told] + told[-1:]
    moved: dict[str, int] = {}
    for key in known:
        if key.startswith(OWNER):
            values = [value for record in looks if (value := figure(record, key)) is not None]
            moved[key] = max(values) - min(values)
    return sorted(moved, key=lambda key: -moved[key])[:_OWNERS_STUDIED]


def _thinned(points: Sequence[Point]) -> tuple[Sample, ...]:
    """At most 200 samples, the largest of each stretch: a peak is what a sparkline is looked at for."""
    size = max(1, -(-len(points) // _SPARK))
    groups = [points[index : index + size] for index in range(0, len(points), size)]
    tops = [max(group, key=lambda point: point.value) for group in groups]
    return tuple(Sample(datetime.fromtimestamp(top.at_s, UTC), top.value) for top in tops)


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
    cost: Counter[str] = Counter()
    first: dict[str, Counter[str]] = {}
    for (_, old, _), (_, new, steps) in pairwise(_told_builds(builds, histories)):
        changed = next((i for i, layer in enumerate(new) if i >= len(old) or old[i] != layer), len(new))
        for step in steps[changed:]:
            cost[step.instruction] += step.bytes
            first.setdefault(step.instruction, Counter())[steps[changed].instruction] += 1
    if not cost or cost.most_common(1)[0][1] <= 0:
        return ""
    costly = cost.most_common(1)[0][0]
    forced_by = first[costly].most_common(1)[0][0]
    return costly if forced_by == costly else f"{costly} (again after {forced_by})"


def _told_builds(
    images: Sequence[Image], histories: Mapping[ImageId, Sequence[BuildStep]]
) -> list[tuple[datetime, Sequence[str], Sequence[BuildStep]]]:
    """When each was built, its layers and the step that made each of them; the oldest first."""
    told = []
    for image in images:
        created, layers, steps = image.created_at, image.diff_ids, histories.get(image.id)
        if steps is None or isinstance(created, Unavailable) or isinstance(layers, Unavailable):
            continue
        if len(layers.value) == len(steps):
            told.append((created.value, layers.value, steps))
    return sorted(told, key=itemgetter(0))
