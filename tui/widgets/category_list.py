"""The categories as a narrow list beside their items: letter, title, size."""

from __future__ import annotations

from collectors.model.reading import Unavailable
from tui.categories import SUBVOLUMES
from tui.figures import cell
from tui.fit import Bit, shorten
from tui.rows import CategoryRow
from tui.scene import Scene
from tui.widgets.listing import Listing


class CategoryList(Listing[CategoryRow]):
    def key_of(self, row: CategoryRow) -> str:
        return row.face.key

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        number = scene.scale.width
        return (Bit(f"    {'Category':<{width - number - 5}}{scene.scale.label:>{number}}", "head"),)

    def draw(self, row: CategoryRow, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        number = scene.scale.width
        unread = isinstance(row.size, Unavailable)
        amount = cell(row.size, scene.scale)
        if row.face is SUBVOLUMES:
            unread, amount = False, f"{row.item_count:,} ×"
        name = shorten(row.face.title, width - number - 5)
        return [
            (
                Bit(f" {row.face.letter}{scene.look.fill(row.face.letter)}", f"on:{row.face.letter}"),
                Bit(f" {name:<{width - number - 5}}", "text" if row.held_bytes or unread else "muted"),
                Bit(
                    f"{amount:>{number}}",
                    "warn" if unread else "strong" if row.held_bytes or row.face is SUBVOLUMES else "muted",
                ),
            )
        ]
