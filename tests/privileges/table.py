"""The table of what is seen with which privileges, as Markdown, from the reports themselves. Judges nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.privileges.places import PLACES
from tests.privileges.seen import AT_LEAST, ESTIMATE, EXACT, UNREAD, Seen, kind

PATH = Path(__file__).with_name("table.md")
_SIGNS = {EXACT: "exact", AT_LEAST: "≥", ESTIMATE: "~", UNREAD: "?"}
_OUTCOMES = {"read": "read", "partial": "in part", "unread": "unread"}
# What differs from run to run says nothing of privileges.
_PLAIN = (
    (re.compile(r"/[\w./-]*ullage-lab-\w+/mnt"), "MOUNT"),
    (re.compile(r"/[\w./-]*ullage-lab-\w+"), "LAB"),
    (re.compile(r"/dev/loop\d+"), "DEVICE"),
    (re.compile(r"\d+ (process|mount|entr)(?:es|s|y|ies)?\b"), r"some \1"),
)
_WHOLE = {"some process": "some processes", "some mount": "some mounts", "some entr": "some entries"}
_HEAD = """\
# What is seen with which privileges

Written by `python -m tests.privileges`: the program ran in each of these places, on real engines of its own.

- exact: measured · ≥: a floor, a part could not be read · ~: an estimate with bounds · ?: not read, and not a zero
- a number is the reason as the report gives it, below the tables
- hardened: `--read-only --cap-drop ALL --security-opt no-new-privileges` and a user who is only in the socket's group
- every container has the socket of its engine, the last three also the Docker root, bound read-only at another path
- `--probe-container`: from an image that holds the program; it reads the Docker root in a container of its own
- the user nobody may not ask the engine, and is given `--docker-root`: a lab's is not in the usual place
- exit status: 0 well · 1 warning · 2 critical · 3 not known
"""


def render(seen: list[Seen]) -> str:
    """One table for each lab, and the reasons."""
    reasons: dict[str, int] = {}
    parts = [_HEAD]
    for lab in dict.fromkeys(one.lab for one in seen):
        by_place = {one.place.key: one for one in seen if one.lab == lab}
        parts.append(_lab(lab, [by_place[place.key] for place in PLACES if place.key in by_place], reasons))
    parts.append("## Reasons\n\n" + "".join(f"{number}. {text}\n" for text, number in reasons.items()))
    return "\n".join(parts)


def _lab(lab: str, seen: list[Seen], reasons: dict[str, int]) -> str:
    lines = [
        f"## {lab}",
        "",
        "| | " + " | ".join(one.place.title for one in seen) + " |",
        "|---" * (len(seen) + 1) + "|",
    ]
    lines.append(_line("**Exit status**", [str(one.status) for one in seen]))
    lines.append(_line("**Disk**", [one.field("Disk").partition(" (")[0] for one in seen]))
    lines.append(_line("**Explained**", [one.field("Explained").replace(" of the used bytes", "") for one in seen]))
    for category in seen[0].rows():
        if category != "unattributed":
            lines.append(_line(f"`{category}`", [_category(one.rows()[category], reasons) for one in seen]))
    for source in dict.fromkeys(_source(name) for one in seen for name in one.coverage()):
        cells = ({_source(name): row for name, row in one.coverage().items()}.get(source) for one in seen)
        lines.append(_line(source, [_outcome(row, reasons) for row in cells]))
    return "\n".join(lines) + "\n"


def _line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _category(row: dict[str, Any], reasons: dict[str, int]) -> str:
    found = kind(row)
    return _SIGNS[found] if found == EXACT else f"{_SIGNS[found]} {_number(row['reason'], reasons)}"


def _outcome(row: dict[str, Any] | None, reasons: dict[str, int]) -> str:
    if row is None:
        return "–"
    said = _OUTCOMES[row["outcome"]]
    return said if row["outcome"] == "read" else f"{said} {_number(row['reason'], reasons)}"


def _source(name: str) -> str:
    return "statvfs" if name.startswith("statvfs") else name


def _number(reason: str, reasons: dict[str, int]) -> int:
    for pattern, plain in _PLAIN:
        reason = pattern.sub(plain, reason)
    for cut, whole in _WHOLE.items():
        reason = re.sub(rf"{cut}\b(?!es|s|ies)", whole, reason)
    return reasons.setdefault(reason, len(reasons) + 1)
