"""GET /volumes → Volume. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from collectors.engine.decode.fields import top
from collectors.engine.decode.usage import VolumeUsage
from collectors.model.engine import Volume
from collectors.model.reading import Origin, Reading, Unavailable, Why
from collectors.system.deadline import Malformed

_ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_GENERATED_NAME = re.compile(r"[0-9a-f]{64}\Z")


def volumes(body: bytes, origin: Origin) -> tuple[Volume, ...]:
    """The list. Sizes and references come with another question, which costs a walk through every file in them."""
    later = Unavailable(Why.NOT_ASKED, "the engine was not asked to measure it", origin)
    found = []
    answer = top(body, "/volumes", origin)
    if "Volumes" not in answer.fields:
        raise Malformed("/volumes without Volumes")
    for item in answer.records("Volumes", "/volumes"):
        name, labels = item.text("Name"), item.mapping("Labels")
        found.append(
            Volume(
                name=name,
                driver=item.text_or_empty("Driver"),
                mountpoint=item.text_or_empty("Mountpoint"),
                labels=labels,
                options=item.mapping("Options"),
                created_at=item.moment("CreatedAt"),
                # The label came with Docker 23; before it, only the generated name tells.
                anonymous=_ANONYMOUS_LABEL in labels or _GENERATED_NAME.match(name) is not None,
                size=later,
                references=later,
            )
        )
    return tuple(found)


def with_usage(
    listed: tuple[Volume, ...], usage: Reading[Mapping[str, VolumeUsage]], origin: Origin
) -> tuple[Volume, ...]:
    """The same volumes with what /system/df measured, or with the reason why it did not."""
    if isinstance(usage, Unavailable):
        return tuple(replace(item, size=usage, references=usage) for item in listed)
    absent = Unavailable(Why.NOT_REPORTED, "the engine measures no volume of another driver or with options", origin)
    found = []
    for item in listed:
        measured = usage.value.get(item.name)
        if measured is None:
            found.append(replace(item, size=absent, references=absent))
        else:
            found.append(replace(item, size=measured.size, references=measured.references))
    return tuple(found)
