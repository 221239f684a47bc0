"""What holds for every cause, whoever wrote it. Each law is a function of one cause and of where to look."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from collectors import causes
from collectors.causes.base import Cause, no_remedy
from collectors.model.ledger import Category
from collectors.reclaim.tools import Remover, WholeStep
from tests.lab import messes
from tests.planning.build import Scene, finding

# What is said of findings of another version: a cause of this one knows its reason.
_CATCH_ALL = "only a person can judge it"
PROGRAM = Path(causes.__file__).parents[2]

# Causes that no mess of the lab makes, and what stands in for one.
NO_MESS = {
    "disk-forecast": "needs hours of history: test_disk_forecast.py",
    "btrfs-metadata-forecast": "needs hours of history: test_disk_forecast.py",
    "disk-unknown": "a statvfs that fails: test_figures.py",
    "no-docker-root": "a host without Docker: test_figures.py",
    "inodes-exhausted": "a number: test_figures.py",
    "ext-reserve": "a number: test_figures.py",
    "forced-read-only": "an error of the device: test_figures.py",
    "unattributed": "what no source can read: tests/faults",
    "engine-unreachable": "an engine that does not answer: test_figures.py",
    "no-cache-ceiling": "a line of daemon.json: test_figures.py",
    "btrfs-device-errors": "a failing device: test_figures.py",
    "btrfs-data-room": "a conversion half done: test_figures.py, tests/machine/btrfs_matrix.py",
    "btrfs-device-missing": "a mirror that lost a device: test_figures.py, tests/machine/test_btrfs_trouble.py",
    "btrfs-profiles": "a conversion half done: test_figures.py, tests/machine/test_btrfs_trouble.py",
    "btrfs-quotas": "an interrupted rescan: test_figures.py",
    "btrfs-inexact": "a filesystem that changes under the walk: test_figures.py",
    "orphan-candidates": "a young layer: test_figures.py",
    "orphans-unknown": "an owner that cannot be read: test_figures.py",
    "core-dumps": "a directory as journald has one: test_leftovers.py",
    "host-files": "a number: test_figures.py",
    "former-root": "a second engine, stopped: tests/machine/test_other_engines.py",
    "other-engine": "a second engine and a containerd: tests/machine/test_other_engines.py",
    "containerd-images": "a containerd without an engine: tests/machine/test_containerd_alone.py",
    "cache-mounts": "a build of Podman's with a cache mount: tests/machine/test_reclaim_podman.py",
    "build-blobs": "blobs that no record names: tests/judgement/reports.py",
    "leased-content": "a pull that is given up: tests/judgement/reports.py",
    "project-quota": "a quota of xfs or ext4: tests/filesystems/test_quotas.py",
    "nested-root": "an engine inside a container: test_leftovers.py",
}
# Causes whose findings are about no number of bytes: nothing of them is owed a step.
NO_BYTES = {
    "project-quota",
    "no-docker-root",
    "forced-read-only",
    "engine-unreachable",
    "podman-prune",
    "no-log-rotation",
    "no-cache-ceiling",
    "btrfs-device-errors",
    "btrfs-device-missing",
    "btrfs-profiles",
    "btrfs-quotas",
    "btrfs-inexact",
    "orphans-unknown",
}
# Ids that are words of other vocabularies too, where they stand for something else.
ALSO_WORDS = {
    "orphans": "a category, and the plural of orphan",
    "unattributed": "a category",
    "churn": "a key of the JSON, and a view of the dashboard",
    "build-cache": "the engine's word for what to list",
    "journald": "a logging driver of the engine",
}


@dataclass(frozen=True, slots=True)
class Where:
    """`readme` is the text that people read; `sources` the folders of the program; `made` causes of each mess."""

    readme: str
    sources: tuple[Path, ...]
    made: Mapping[str, tuple[str, ...]]


def here() -> Where:
    """This program."""
    made = {name: getattr(messes.module(name), "CAUSES", ()) for name in messes.known()}
    return Where((PROGRAM / "README.md").read_text(), (PROGRAM / "collectors", PROGRAM / "tui"), made)


def its_id_is_its_own_in_kebab_case_and_names_its_folder_where_it_is_alone_there(cause: Cause, where: Where) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cause.id)
    assert [one.id for one in causes.CAUSES].count(cause.id) == 1
    if [one for one in causes.CAUSES if _module(one) is _module(cause)] == [cause]:
        assert _module(cause).__name__.rpartition(".")[2] == cause.id.replace("-", "_")
    assert causes.find(cause.id) is cause


def its_category_is_one_of_the_ledger_or_none(cause: Cause, where: Where) -> None:
    assert cause.category is None or cause.category in Category


def a_finding_of_it_with_bytes_has_a_step_or_the_reason_why_not(cause: Cause, where: Where) -> None:
    made = Scene(findings=(finding(cause.id, count=9),)).plan()
    if cause.wants_step:
        assert any(step.cause == cause.id for step in made.every_step) or cause.id in made.answers
        assert cause.id in NO_BYTES or not any(_CATCH_ALL in said for said in made.left_out)
    else:
        assert cause.symptom or cause.harm is not None


def what_it_proposes_is_no_milder_than_it_says(cause: Cause, where: Where) -> None:
    assert (cause.harm is None) or cause.propose is not no_remedy
    made = Scene(findings=(finding(cause.id, count=9),)).plan()
    assert all(step.cause in {one.id for one in causes.CAUSES} for step in made.every_step)


def what_carries_out_its_steps_lies_in_a_folder_of_causes_and_is_loaded_by_name(cause: Cause, where: Where) -> None:
    if not cause.remover:
        return
    assert cause.harm is not None
    module, _, name = cause.remover.partition(":")
    assert module.endswith(".remove")
    assert issubclass(getattr(importlib.import_module(module), name), Remover | WholeStep)


def a_mess_of_the_lab_makes_it_or_something_stated_stands_in(cause: Cause, where: Where) -> None:
    made = any(cause.id in ids for ids in where.made.values())
    assert made != (cause.id in NO_MESS)


def a_line_of_the_readme_says_what_it_is(cause: Cause, where: Where) -> None:
    assert f"| `{cause.id}` | {cause.line} |" in where.readme


def no_file_but_those_of_its_folder_holds_its_id(cause: Cause, where: Where) -> None:
    if cause.id in ALSO_WORDS:
        return
    folder = Path(str(_module(cause).__file__)).parent
    foreign = [path for path in _holding(where.sources).get(cause.id, ()) if folder not in path.parents]
    assert not foreign


LAWS: tuple[Callable[[Cause, Where], None], ...] = (
    its_id_is_its_own_in_kebab_case_and_names_its_folder_where_it_is_alone_there,
    its_category_is_one_of_the_ledger_or_none,
    a_finding_of_it_with_bytes_has_a_step_or_the_reason_why_not,
    what_it_proposes_is_no_milder_than_it_says,
    what_carries_out_its_steps_lies_in_a_folder_of_causes_and_is_loaded_by_name,
    a_mess_of_the_lab_makes_it_or_something_stated_stands_in,
    a_line_of_the_readme_says_what_it_is,
    no_file_but_those_of_its_folder_holds_its_id,
)


def _module(cause: Cause) -> ModuleType:
    return sys.modules[cause.detect.__module__]


@cache
def _holding(sources: tuple[Path, ...]) -> Mapping[str, tuple[Path, ...]]:
    """Each string of the program's code → the files that hold it."""
    found: dict[str, list[Path]] = {}
    for path in (path for folder in sources for path in sorted(folder.rglob("*.py"))):
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for string in strings:
            found.setdefault(string, []).append(path)
    return {string: tuple(paths) for string, paths in found.items()}
