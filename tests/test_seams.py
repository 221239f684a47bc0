"""Names of drivers and of kinds of filesystem decide nothing outside collectors/drivers and collectors/filesystems."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import collectors
from collectors.drivers import DRIVERS
from collectors.filesystems import FILESYSTEMS

HOME = Path(collectors.__file__).parents[1]
INSIDE = ("collectors/drivers/", "collectors/filesystems/")
NAMES = {driver.name for driver in DRIVERS} | {name for kind in FILESYSTEMS for name in kind.fstypes} | {"overlayfs"}
# Borders: what stands there is not about a driver or a kind of filesystem in use, or is a contract.
EXCEPTIONS = {
    "collectors/causes/disk_full/__init__.py": "blocks that ext alone keeps back",
    "collectors/report/recording_v1.py": "the name of a field in recordings of former days",
    "collectors/system/mount_table.py": "what a file really lies on that was opened through an overlay, anybody's",
}


def branches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a name is compared with, looked up among, or asked for as an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for part in (node.left, *node.comparators):
                yield from ((node.lineno, name) for name in names_in(part))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
            yield from ((node.lineno, name) for part in node.args for name in names_in(part, prefix=True))
        elif isinstance(node, ast.Attribute) and node.attr == "btrfs":
            yield node.lineno, ".btrfs"
        elif isinstance(node, ast.MatchValue):
            yield from ((node.value.lineno, name) for name in names_in(node.value))


def names_in(node: ast.AST, *, prefix: bool = False) -> Iterator[str]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.Set | ast.List) else [node]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            word = part.value
            if word in NAMES or (prefix and len(word) > 2 and any(name.startswith(word) for name in NAMES)):
                yield word


def modules() -> list[str]:
    found = (path for top in ("collectors", "tui") for path in (HOME / top).rglob("*.py"))
    named = sorted(str(path.relative_to(HOME)) for path in found)
    return [name for name in named if not name.startswith(INSIDE)]


def found_in(module: str) -> list[tuple[int, str]]:
    return sorted(set(branches(ast.parse((HOME / module).read_text()))))


def test_no_module_asks_for_a_name() -> None:
    found = {module: found_in(module) for module in modules()}
    assert {module: lines for module, lines in found.items() if lines and module not in EXCEPTIONS} == {}


@pytest.mark.parametrize("module", sorted(EXCEPTIONS))
def test_every_exception_is_still_one(module: str) -> None:
    assert found_in(module), EXCEPTIONS[module]
