"""The house stays one that a person can live in: how many modules, how long, who imports whom, what nobody uses.

The limits are not aims: whoever comes near one asks first what belongs together.
"""

from __future__ import annotations

import re
from statistics import mean

from radon.complexity import cc_visit
from vulture import Vulture

from tests.house import PACKAGES, ROOT, circles, importers, modules

MOST_MODULES = 240
MOST_LINES = 300
SHORT_LINES = 60
MOST_COMPLEXITY = 3.6  # the mean over functions, methods and classes

# Short, imported by one other, and better off alone all the same: the reason.
ALONE_FOR_A_REASON: dict[str, str] = {}
KNOWN_CIRCLES: list[list[str]] = []

# What Textual calls by name.
_TOOLKITS = re.compile(
    r"on_\w+|action_\w+|watch_\w+|render_line|get_system_commands|BINDINGS|CSS_PATH|TITLE"
    r"|virtual_size|border_title|border_subtitle"
)
# What requests, Textual and textual-serve read or call.
_LIBRARIES = {"trust_env", "background", "current", "driver_class", "handle_websocket"}
# Whoever removes one of these from the program removes it here.
UNUSED_STILL = {
    "NOT_ENABLED",
    "SECTIONS",
    "VIEW",
    "bytes_read",
    "crosses",
    "drift_data_bytes",
    "drift_metadata_bytes",
    "driver_status",
    "filesystem_of",
    "hidden_by",
    "layer_path",
    "log_driver",
    "log_options",
    "log_path",
    "owner_kind",
    "referenced_bytes",
    "usage_count",
}


def test_there_are_no_more_modules_than_a_person_can_know() -> None:
    assert len(modules()) <= MOST_MODULES


def test_no_module_is_longer_than_300_lines() -> None:
    assert [name for name, module in modules().items() if module.lines_count > MOST_LINES] == []


def test_a_short_module_with_one_importer_has_a_reason() -> None:
    found = modules()
    by = importers(found)
    alone = {
        name
        for name, module in found.items()
        if module.lines_count < SHORT_LINES and len(by[name]) == 1 and module.path.name != "__init__.py"
    }
    assert set(ALONE_FOR_A_REASON) <= alone, "a reason for what is no longer alone"
    # How a cause is removed lies in its folder, and nobody imports it: the executor loads it by name.
    assert alone == set(ALONE_FOR_A_REASON)


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert [circle for circle in circles(modules()) if circle not in KNOWN_CIRCLES] == []


def test_functions_stay_simple() -> None:
    blocks = [block for module in modules().values() for block in cc_visit(module.path.read_text())]
    assert mean(block.complexity for block in blocks) <= MOST_COMPLEXITY


def test_nothing_is_there_that_nobody_uses() -> None:
    """Names that the program itself never reads, by vulture; what tests alone read counts as unused."""
    search = Vulture()
    search.scavenge([str(ROOT / package) for package in PACKAGES])
    unused = {
        item.name: f"{item.filename}:{item.first_lineno}"
        for item in search.get_unused_code(min_confidence=60)
        if not (item.typ == "class" and item.filename.match("causes/*/remove.py"))  # reclaim loads them by name
    }
    new = set(unused) - UNUSED_STILL - _LIBRARIES
    assert {name: unused[name] for name in new if not _TOOLKITS.fullmatch(name)} == {}
