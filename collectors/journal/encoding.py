"""A record as the machine line of a run, `<!-- ullage {"v":1,…,"crc":"…"} -->`; any text as one safe line. Pure.

ASCII JSON in which no `<`, `>`, `&` nor a run of `-` survives, so that no foreign string can close the comment. The
checksum tells a line that was torn or edited from one that was written. A day of 72 runs on a host with 500 images
stays below 1 MB: maps are stored as changes, names are clipped, and a line has a budget.

Callers escape foreign strings for people (`report.formatting`); `markdown_line` is the last gate: what slips through
still starts no line, header, comment or escape sequence.
"""

from __future__ import annotations

import json
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeAlias

from collectors.journal import Action, NotedFilesystem, Record, fields
from collectors.model import Owner, OwnerKind

_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# What would begin a header, a fence or a rule, or make the line above a header.
_BLOCKS = ("#", "```", "~~~", "===", "---")
LONGEST = 1000


def markdown_line(text: str) -> str:
    """`text` as one printable line of at most 1,000 characters that is text in Markdown: no control, bidi or format
    character, no comment, no header."""
    clean = "".join(map(_harmless, text[: LONGEST * 2])).strip().replace("<!--", "&lt;!--").replace("-->", "--&gt;")
    if clean.startswith(_BLOCKS):
        clean = "\\" + clean
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def _harmless(char: str) -> str:
    if char.isspace():  # line breaks of every kind too
        return " "
    return "\ufffd" if unicodedata.category(char) in _UNSAFE else char


PREFIX, SUFFIX = "<!-- ullage ", " -->"
OWNERS_KEPT = 80
ORPHANS_KEPT = 2_000
ACTIONS_KEPT = 60
THINGS_KEPT = 1_500
NAME_KEPT = 200
OTHERS_KEPT = 8  # filesystems beside the Docker root's, the fullest; and as many findings of each
# A day may take one whole line and then so much a run: 240 kB + 72 × 10 kB stay below 1 MB.
WHOLE_LINE_BYTES = 240_000
RUN_BYTES = 10_000
_ID_KEPT = 16
_NAMED_KINDS = (OwnerKind.VOLUME, OwnerKind.PATH)  # whose ids are names that a person knows
Name: TypeAlias = tuple[str | None, str]
_MAPS = ("owners", "orphans", "dangling", "tags", "in_use", "things", "labels")


def budget_bytes(lines: int, spent_bytes: int) -> int:
    """What the next machine line of a day may take after `lines` of `spent_bytes` together."""
    return WHOLE_LINE_BYTES + RUN_BYTES * (lines + 1) - spent_bytes


def bounded(record: Record) -> Record:
    """The record as a journal can keep it: short ids, clipped names, the largest owners only."""
    things = _largest(record.things, THINGS_KEPT)
    kept = replace(
        record,
        categories={clip(name): size for name, size in record.categories.items()},
        owners=_largest(record.owners, OWNERS_KEPT),
        dangling=_largest(record.dangling, OWNERS_KEPT),
        tags=_short_tags(record.tags),
        orphans=_clipped(record.orphans, ORPHANS_KEPT),
        in_use=None if record.in_use is None else frozenset(map(short_id, record.in_use)),
        things=things,
        labels=_labels(record.labels, things or {}),
        actions=_heaviest(record.actions),
        others=_fullest(record.others),
    )
    return replace(kept, trimmed=(*record.trimmed, *_shortened(record, kept)))


def _shortened(record: Record, kept: Record) -> list[str]:
    """The lists of which `kept` has not all."""
    pairs = {
        "orphans": (record.orphans or (), kept.orphans or ()),
        "actions": (record.actions, kept.actions),
        "others": (record.others, kept.others),
    }
    return [name for name, (whole, left) in pairs.items() if len(left) < len(whole)]


def _short_tags(tags: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if tags is None else {clip(tag): short_id(id_) for tag, id_ in sorted(tags.items())}


def _clipped(names: frozenset[str] | None, count: int) -> frozenset[str] | None:
    return None if names is None else frozenset(sorted(map(clip, names))[:count])


def _labels(labels: Mapping[str, str] | None, things: Mapping[str, int]) -> Mapping[str, str] | None:
    """Of these things only."""
    return None if labels is None else {key: clip(label) for key, label in labels.items() if key in things}


def _heaviest(actions: Sequence[Action]) -> tuple[Action, ...]:
    kept = sorted(actions, key=lambda did: -(did.measured_bytes or did.predicted_bytes or 0))[:ACTIONS_KEPT]
    return tuple(replace(did, target=clip(did.target)) for did in kept)


def encode(record: Record, base: Record | None, *, room_bytes: int = WHOLE_LINE_BYTES) -> str:
    """The machine line, without a newline. `base` is the last record of the same filesystem that the file holds.

    Where the line is longer than `room_bytes`, its largest maps are left out as unknown and named in `trimmed`.
    """
    record = bounded(record)
    while True:
        wire = fields.wire(record, base)
        text = _line(wire)
        largest = max(_MAPS, key=lambda name: len(json.dumps(wire.get(name))))
        if len(text) <= room_bytes or getattr(record, largest) is None:
            return text
        without: dict[str, Any] = {largest: None}
        record = replace(record, **without, trimmed=(*record.trimmed, largest))


def decode(line: str, bases: Mapping[Name, Record]) -> Record:
    """The record of a machine line. `bases`: the records above it in the same file, by `name_of`.

    Raises ValueError where the line is torn, edited, of another version or not ours.
    """
    wire = _object(_written(line))
    base = wire.get("base")
    named = (fields.text_or_none(wire, "fs"), base) if isinstance(base, str) else None
    return fields.record(wire, bases.get(named) if named else None)


def _written(line: str) -> str:
    """The JSON in a machine line, without the checksum, which fits. Raises ValueError."""
    if not line.startswith(PREFIX) or not line.endswith(SUFFIX):
        raise ValueError("not a whole machine line")
    text = line[len(PREFIX) : -len(SUFFIX)]
    body, mark, sum_ = text.rpartition(',"crc":"')
    if not mark or sum_ != _crc(body) + '"}':
        raise ValueError("the checksum does not fit")
    return body + "}"


def _object(text: str) -> fields.Wire:
    """What this JSON holds, an object of our version. Raises ValueError."""
    try:
        wire = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(wire, dict) or wire.get("v") != fields.VERSION:
        raise ValueError("another version")
    return wire


def name_of(record: Record) -> Name:
    """What a line names the record by that it builds on."""
    return record.filesystem, fields.stamp(record.at)


def short_id(image_id: str) -> str:
    """An image id as the journal keeps it: 16 hex digits, enough to tell the images of one host apart."""
    return clip(image_id.removeprefix("sha256:")[:_ID_KEPT])


def thing_key(owner: Owner) -> str:
    """What the journal calls a thing: short, and the same in every run."""
    if owner.kind in _NAMED_KINDS:
        return clip(owner.text())
    return Owner(owner.kind, sha256(owner.id.encode("utf-8", "surrogatepass")).hexdigest()[:12]).text()


def clip(name: str) -> str:
    """A foreign name of bounded length; two long names that differ stay different."""
    if len(name) <= NAME_KEPT:
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{name[: NAME_KEPT - 13]}…{digest}"


def _fullest(others: tuple[NotedFilesystem, ...]) -> tuple[NotedFilesystem, ...]:
    kept = sorted(others, key=lambda one: (one.available_bytes is None, one.available_bytes))[:OTHERS_KEPT]
    return tuple(
        replace(one, filesystem=clip(one.filesystem), findings=one.findings[:OTHERS_KEPT])
        for one in others
        if one in kept
    )


def _line(wire: fields.Wire) -> str:
    body = json.dumps(wire, ensure_ascii=True, separators=(",", ":"))[:-1]
    for char in "<>&":
        body = body.replace(char, f"\\u{ord(char):04x}")
    body = body.replace("--", "-\\u002d")
    return f'{PREFIX}{body},"crc":"{_crc(body)}"}}{SUFFIX}'


def _crc(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogatepass')):08x}"


def _largest(sizes: Mapping[str, int] | None, count: int) -> dict[str, int] | None:
    if sizes is None:
        return None
    kept = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
    return {clip(name): size for name, size in sorted(kept)}
