"""A machine on which one thing is wrong, and what is found there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from collectors.causes import detect
from collectors.causes.finding_context import FindingContext
from collectors.model import Owner, OwnerKind
from collectors.model.filesystem import Filesystem, FsSpace
from collectors.model.ledger import Books, Category, Item, Ledger, Row
from collectors.model.plan import Finding
from collectors.model.reading import Exact
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import Snapshot
from collectors.pipeline.memory import blank
from tests.planning.build import HERE, NOTHING, Scene, exact


def an_item(category: Category, name: str, count: int, state: str = "", inodes: int = 1) -> Item:
    who = Owner(OwnerKind.LEFTOVER, name)
    size = exact(count)
    return Item(name, who, category, name, size, size, exact(inodes), size, size, "", state, None, None, (), "", ())


def a_ledger(filesystem: Filesystem, *items: Item) -> Ledger:
    """A row for every category, with the sum of its items."""
    by_category = {category: tuple(i for i in items if i.category is category) for category in Category}
    sums = {category: exact(sum(i.referenced.value for i in own if isinstance(i.referenced, Exact)))
            for category, own in by_category.items()}  # fmt: skip
    rows = tuple(Row(category, size, size, size, size, "", "") for category, size in sums.items())
    return Ledger(filesystem, rows, by_category, None, "")


def found(scene: Scene, *items: Item, space: dict[str, Any] | None = None, mount: dict[str, Any] | None = None,
          **snapshot: Any) -> tuple[Finding, ...]:  # fmt: skip
    """All findings; `space`, `mount` and `snapshot` replace fields of the made-up ones."""
    made: Snapshot = replace(scene.snapshot(), **snapshot)
    study = made.studies[0]
    filesystem = study.filesystem
    if space is not None and isinstance(filesystem.space, Exact):
        changed: FsSpace = replace(filesystem.space.value, **space)
        filesystem = replace(filesystem, space=Exact(changed, HERE))
    filesystem = replace(filesystem, mount=replace(filesystem.mount, **(mount or {})))
    study = replace(study, filesystem=filesystem)
    made = replace(made, studies=(study,))
    ledger = a_ledger(filesystem, *items)
    return detect(
        FindingContext(made, study, ledger, Books(scene.releases, NOTHING), blank("").trend, DEFAULTS.thresholds)
    )
