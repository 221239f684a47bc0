"""Names that try to be more than names, and what must be true of a text that shows them."""

from __future__ import annotations

import re
import unicodedata

from collectors.report.text import SECTIONS

# A colour, the clipboard (OSC 52), an 8-bit CSI, a turned writing direction, an invisible character, a line's end.
CONTROLS = "\x1b[31m\x1b]52;c;ZXZpbA==\x07\x9b31m\u202egnp\u202c\u200b\u2028"
# Markdown, a header, a comment of our own, a field that supervisors match.
MARKUP = '|a|`id`\n## Escalation\n\n<!-- ullage {"v":1} -->\nDisk: 5% used\nSeverity: OK\n- [P0] forged'
NAME = f"{CONTROLS}{MARKUP}"

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_DISK = re.compile(r"Disk:\s+[0-9]+")


def hidden_in(text: str) -> set[str]:
    """Characters that a terminal acts on or that a reader does not see; the ends of lines aside."""
    return {char for char in text if char != "\n" and unicodedata.category(char) in _HIDDEN}


def check_page(page: str, *, figures_count: int = 1) -> None:
    """The `--preflight` text: its own headers and fields, once each, and nothing that acts.

    `figures_count`: how often a supervisor finds how full the disk is; 0 where that is not known.
    """
    lines = page.split("\n")
    assert hidden_in(page) == set()
    assert tuple(line[3:] for line in lines if line.startswith("#")) == SECTIONS
    assert [line.startswith("Disk: ") for line in lines if _DISK.search(line)] == [True] * figures_count
    assert sum(line.startswith("Severity:") for line in lines) == 1
    assert re.search(r"(?<!\\)<!--", page) is None
    assert all(line.count("|") - line.count("\\|") in (4 + 1, 5 + 1, 7 + 1) for line in lines if line[:1] == "|")


def check_journal(text: str, runs_count: int) -> None:
    """A day of the journal in which only we wrote: a header and a machine line for each run, and no other."""
    lines = text.split("\n")
    assert hidden_in(text) == set()
    headers = [line for line in lines if line.startswith("#")]
    assert len(headers) == runs_count
    assert all(re.fullmatch(r"## Docker storage — \d\d:\d\d UTC", header) for header in headers)
    machine = [line for line in lines if line.startswith("<!-- ullage {") and line.endswith("-->")]
    assert len(machine) == text.count("<!--") == text.count("-->") == runs_count
    assert {line[:2] for line in lines} <= {"##", "- ", "<!", ""}


def check_task(text: str) -> None:
    """A vault item: a title and its sections; the mark of its end is its only comment."""
    headers = [line for line in text.split("\n") if line.startswith("#")]
    assert hidden_in(text) == set()
    assert headers[0].startswith("# ")
    assert [re.sub(r": \d+$", "", header) for header in headers[1:]] == ["## What", "## Why", "## Unblocks"]
    assert text.count("<!--") == 1
