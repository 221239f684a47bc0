"""The modules of the program and who imports whom, read from their text; nothing is imported for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("collectors", "tui")


@dataclass(frozen=True, slots=True)
class Module:
    """`imports`: the program's own modules that it names in an import anywhere in its text, also in a function."""

    name: str
    path: Path
    lines_count: int
    imports: frozenset[str]


@cache
def modules() -> dict[str, Module]:
    """All modules of the program, by dotted name. A package's name is that of its folder."""
    paths = {_name(path): path for package in PACKAGES for path in sorted((ROOT / package).glob("**/*.py"))}
    return {
        name: Module(name, path, len(text.splitlines()), frozenset(_imports(text, paths)) - {name})
        for name, path in paths.items()
        if (text := path.read_text())
    }


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(text: str, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def importers(found: Mapping[str, Module]) -> dict[str, set[str]]:
    """Who imports each module."""
    by: dict[str, set[str]] = {name: set() for name in found}
    for module in found.values():
        for name in module.imports:
            by[name].add(module.name)
    return by


def circles(found: Mapping[str, Module]) -> list[list[str]]:
    """Sets of modules that import one another, each sorted (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circular: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in sorted(found[name].imports):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            members = stack[stack.index(name) :]
            del stack[-len(members) :]
            if len(members) > 1:
                circular.append(sorted(members))

    for name in sorted(found):
        if name not in number:
            visit(name)
    return circular
