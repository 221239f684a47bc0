"""The only formatter of sizes, ages and unknowns, and the only escaper of foreign strings.

Sizes are IEC with their full unit (`GiB`, never a bare `G`), or SI on request as `docker system df` prints them. A size
that was not measured never reads as a number: it reads as `?` and the reason.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import assert_never

import humanize

from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable

# What has a meaning in Markdown where it stands: a star between blanks, an arrow and a pipe outside a table have none.
_MARKS = r"[\\`]|\*(?=\S)|(?<=\S)\*|<(?=[A-Za-z/!?])|^[>#\[]|(?<!\w)_|_(?!\w)|~(?=~)"
_MARKDOWN, _WITH_LINKS = re.compile(_MARKS), re.compile(rf"{_MARKS}|[\[\]]")
_LINK = re.compile(r"\][\[(:]")
# Supervisors look for this field anywhere in the page, and take the number after it.
_FIELD = re.compile(r"(?<=Disk):")


def bytes_(count: int, *, si: bool = False) -> str:
    """A byte count: `0 B`, `931.5 GiB`, `-1.2 MiB`."""
    text = humanize.naturalsize(count, binary=not si, format="%.1f")
    return re.sub(r" Bytes?$", " B", text)


def tight(count: int, *, si: bool = False) -> str:
    """A byte count without the space, for fields that a script splits at blanks: `931.5GiB`."""
    return bytes_(count, si=si).replace(" ", "")


def size(value: Size, *, si: bool = False) -> str:
    """A size in words; only a measured value reads as a plain number."""
    match value:
        case Exact(value=count):
            return bytes_(count, si=si)
        case Between():
            return f"~{bytes_(value.best, si=si)}"
        case AtLeast():
            return f"≥ {bytes_(value.low, si=si)}"
        case Unavailable():
            return f"? {value.why}"
        case _:
            assert_never(value)


def doubt(value: Size, *, si: bool = False) -> str:
    """Why a size is not exact, in one clause; "" for an exact one."""
    match value:
        case Exact():
            return ""
        case Between():
            return f"{bytes_(value.low, si=si)} to {bytes_(value.high, si=si)}: {value.method}"
        case AtLeast():
            return "; ".join(dict.fromkeys(unread(part) for part in value.missing))
        case Unavailable():
            return unread(value)
        case _:
            assert_never(value)


def unread(value: Unavailable) -> str:
    """An absence in words: `not permitted: Operation not permitted (btrfs.search)`."""
    detail = f": {safe(value.detail, 200)}" if value.detail else ""
    return f"{value.why}{detail}"


def percent(share: float, digits: int = 1) -> str:
    """A share of 100, never rounded up to a full 100 nor down to a bare 0 when it is not."""
    text = f"{share:.{digits}f}"
    if float(text) >= 100.0 > share:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text}%"


def whole_percent(share: int) -> str:
    """A percent that is whole by its definition, as the used % is: `98%`."""
    return f"{share}%"


def disk(used_percent: int, used_bytes: int, total_bytes: int | None, where: str = "", *, si: bool = False) -> str:
    """How full a disk is: `98% used (913.5GiB/931.5GiB on /var/lib/docker)`. `where` is escaped already."""
    used = tight(used_bytes, si=si) + ("" if total_bytes is None else f"/{tight(total_bytes, si=si)}")
    return f"{whole_percent(used_percent)} used ({used}{f' on {where}' if where else ''})"


def age(seconds: float) -> str:
    """A span: `45 s`, `12 min`, `7 h 08 min`, `3 d 4 h`."""
    whole = int(seconds)
    if whole < 0:
        return f"-{age(-seconds)}"
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `12 images`, `3 entries`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def rows(text: str, cells: int) -> list[str]:
    """`text` in rows of at most `cells` of a terminal, broken at blanks, and inside a word where it has to be."""
    done, row, taken = [], "", 0
    for word in text.split(" "):
        more = _cells(word)
        if row and taken + 1 + more > cells:
            done.append(row)
            row = ""
        row, taken = (f"{row} {word}", taken + 1 + more) if row else (word, more)
        while taken > cells:
            done.append(row[: cells // 2])
            row = row[cells // 2 :]
            taken = _cells(row)
    return [*done, row]


def _cells(text: str) -> int:
    """How many cells a terminal takes for it, at most."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def safe(foreign: str, limit: int | None = None) -> str:
    """A foreign string that can do nothing to a terminal: one line, every control visible, cut in the middle if long.

    Controls become their pictures (ESC → ␛), line breaks too; bidirectional and invisible format characters and bytes
    that are no UTF-8 become their escape (\\u202e, \\xff).
    """
    if limit is not None and len(foreign) > limit:
        keep = max(limit - 1, 2)
        foreign = f"{foreign[: keep - keep // 3]}…{foreign[len(foreign) - keep // 3 :]}"
    return "".join(_visible(char) for char in foreign)


def quoted(foreign: str, limit: int | None = 120) -> str:
    """A foreign string inside our Markdown: `safe`, and its own Markdown, HTML and `Disk:` disarmed; only these."""
    text = safe(foreign, limit)
    marks = _WITH_LINKS if _LINK.search(text) else _MARKDOWN
    return _FIELD.sub(r"\\:", marks.sub(lambda found: "\\" + found.group(0), text))


def cell(foreign: str, limit: int | None = 120) -> str:
    """The same in a cell of a table, where a pipe would begin another one."""
    return quoted(foreign, limit).replace("|", "\\|")


def unknown(value: Unavailable) -> str:
    """An absence inside our Markdown: `unknown (not permitted: …)`, the cause's own words disarmed."""
    return f"unknown ({quoted(unread(value), None)})"


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python's surrogateescape brings it
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return char
