"""The table of the fault tests, written from their own results: fault, what happened, exit status, stderr, verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS

PATH = Path(__file__).with_name("table.md")
_FOLDERS = re.compile(r"(?:/private)?(?:/tmp|/dev/shm|/run)/[\w.\\-]*[\w./\\-]*/")
_SHORTENED = re.compile(r"(?:/tmp|/dev/shm|/run)/\w*…[\w-]*")
_HEAD = """\
# Faults, and what happened

Written by `python -m tests.faults` from the results of the tests beside it: each runs the program at its command line.
Exit status: 0 well · 1 warning · 2 critical · 3 not known. A case of several runs has all their statuses.
None of them left a traceback on stderr; a report that was printed was whole, and its ledger summed to the used bytes.

| # | Fault | Case | What happened | Exit status | stderr | Verdict |
|---|---|---|---|---|---|---|
"""


@dataclass
class Case:
    """One test: what it said of itself, and how it ended."""

    number: int
    name: str
    verdict: str
    told: list[tuple[str, str, str]] = field(default_factory=list)  # what happened, statuses, stderr


class Table:
    """A pytest plugin that keeps `table.md` up to date from test to test. `missing` are the faults that no test met.

    With `merge` the rows of cases that are not run now stay as they are.
    """

    def __init__(self, merge: bool) -> None:
        self.cases: dict[str, Case] = {}
        self.rows: dict[tuple[int, str], tuple[str, ...]] = {}
        for line in PATH.read_text().splitlines() if merge and PATH.exists() else ():
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            if len(cells) == 7 and cells[0].isdecimal():
                self.rows[int(cells[0]), cells[2]] = cells[3:]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if "fault" not in told or (report.when != "call" and report.passed):
            return
        verdict = "as it should" if report.passed else report.outcome
        case = Case(int(str(told["fault"])), _sentence(report.nodeid), verdict)
        case.told = [value for key, value in report.user_properties if key == "told" and isinstance(value, tuple)]
        self.cases[report.nodeid] = case
        what, status, stderr = (_joined(column) for column in zip(*case.told, strict=True)) if case.told else "–––"
        cells = (what, status, stderr or "nothing", case.verdict)
        self.rows[case.number, case.name] = tuple(cell.replace("|", r"\|") for cell in cells)
        PATH.write_text(self.render())

    @property
    def missing(self) -> list[int]:
        return sorted(set(FAULTS) - {number for number, _ in self.rows})

    def render(self) -> str:
        """The whole page."""
        lines = []
        last = 0
        for (number, name), cells in sorted(self.rows.items(), key=lambda row: row[0][0]):
            fault = FAULTS[number].replace("|", r"\|") if number != last else ""
            last = number
            lines.append(f"| {' | '.join((str(number), fault, name, *cells))} |")
        return _HEAD + "\n".join(lines) + "\n"


def _joined(column: tuple[str, ...]) -> str:
    return "; ".join(dict.fromkeys(filter(None, column)))


def plain(text: str) -> str:
    """One line without what differs from run to run: folders, seconds."""
    text = _SHORTENED.sub("…", _FOLDERS.sub("…/", " ".join(text.split())))
    return re.sub(r"\d+\.\d+ s\b", "… s", text)


def _sentence(nodeid: str) -> str:
    name = nodeid.rpartition("::")[2].removeprefix("test_")
    words, _, parameter = name.partition("[")
    return words.replace("_", " ") + (f" ({parameter[:-1]})" if parameter else "")
