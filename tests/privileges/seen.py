"""One run of the program in one place: what it said, and what every such run must keep to."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from collectors.report.schema import schema
from tests.lab import Lab
from tests.lab.commands import run
from tests.privileges.places import Place

EXACT, AT_LEAST, ESTIMATE, UNREAD = "exact", "at least", "estimate", "unread"
SEEN: list[Seen] = []  # what the tests of this process saw, for the table


@dataclass(frozen=True, slots=True)
class Seen:
    """The report of one place on one lab. `text` is the page, `document` the JSON of a second run."""

    place: Place
    lab: str
    status: int
    text: str
    document: dict[str, Any]

    def rows(self) -> dict[str, dict[str, Any]]:
        """The ledger by category."""
        return {row["category"]: row for row in self.document["ledger"]}

    def coverage(self) -> dict[str, dict[str, Any]]:
        """The sources by name."""
        return {row["source"]: row for row in self.document["coverage"]}

    def field(self, name: str) -> str:
        """A `Field: value` of the page."""
        return next(line for line in self.text.splitlines() if line.startswith(f"{name}: ")).partition(": ")[2]


def kind(row: dict[str, Any]) -> str:
    """How well a row of the ledger is known."""
    if row["bytes"] is None:
        return UNREAD
    if row["high_bytes"] is None:
        return AT_LEAST
    return EXACT if row["low_bytes"] == row["high_bytes"] else ESTIMATE


def look(place: Place, lab: Lab) -> Seen:
    """Run the program there twice, as a page and as a document. Raises AssertionError where a rule is broken."""
    page, document = _run(place, lab), _run(place, lab, "--format", "json")
    answer = json.loads(document.stdout)
    Draft202012Validator(schema()).validate(answer)
    assert document.returncode == answer["exit_status"] == page.returncode
    for ended in (page, document):
        assert "Traceback" not in ended.stderr + ended.stdout, ended.stderr
        assert "defect" not in ended.stderr + ended.stdout, ended.stdout
    seen = Seen(place, f"{lab.driver} on {lab.fs}", page.returncode, page.stdout, answer)
    SEEN.append(seen)
    return seen


def _run(place: Place, lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    if lab.fs == "btrfs":  # the container of the place before has left subvolumes to the cleaner
        run("btrfs", "filesystem", "sync", lab.mount)
        run("btrfs", "subvolume", "sync", lab.mount)
    words = (*place.words(lab), *arguments)
    ended = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL)
    # 125 to 127 are docker's own, and setpriv's: the program was never started.
    assert ended.returncode in (0, 1, 2, 3), (words, ended.stderr)
    assert ended.stdout, (words, ended.stderr)
    return ended
