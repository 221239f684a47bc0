"""Cells of a bar that sum to its width. Refuses to lose a part: what is there gets a cell while there are cells."""

from __future__ import annotations

from collections.abc import Sequence


def apportion(parts: Sequence[int], width: int) -> list[int]:
    """Whole cells for each of `parts` (bytes, none negative), summing to `width` exactly.

    Largest remainders; a part above zero keeps at least one cell as long as there are as many cells as such parts,
    at the expense of the largest. Where there are not, the largest parts keep theirs. All zero: no cells at all.
    """
    whole = sum(parts)
    if width <= 0 or whole <= 0:
        return [0] * len(parts)
    cells = [part * width // whole for part in parts]
    order = sorted(range(len(parts)), key=lambda at: (-(parts[at] * width % whole), -parts[at], at))
    for at in order[: width - sum(cells)]:
        cells[at] += 1
    starved = [at for at in range(len(parts)) if parts[at] > 0 and cells[at] == 0]
    for at in sorted(starved, key=lambda at: (-parts[at], at)):
        giver = max(range(len(parts)), key=lambda other: (cells[other], parts[other]))
        if cells[giver] <= 1:
            break
        cells[giver] -= 1
        cells[at] = 1
    return cells
