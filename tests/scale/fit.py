"""How a figure grows with the size: cost = start + factor × size ^ exponent, the exponent by least squares on logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Below, sixteen times as much costs less than a quarter more than a fixed part of it: a cost that is there or not.
_GROWS = 0.15


@dataclass(frozen=True, slots=True)
class Law:
    """`start` is what size 0 costs."""

    start: float
    factor: float
    exponent: float

    def at(self, size: float) -> float:
        return self.start + self.factor * float(size**self.exponent)

    def reaches(self, cost: float) -> float:
        """The size that costs so much."""
        return float(((cost - self.start) / self.factor) ** (1 / self.exponent))


def law(costs: Mapping[int, float], start: float, noise: float) -> Law | None:
    """From costs by size; None where they do not grow: fewer than three rise out of the noise, or all by the same."""
    points = [(math.log(size), math.log(cost - start)) for size, cost in costs.items() if cost - start > noise]
    if len(points) < 3:
        return None
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    exponent: float = sum((x - middle_x) * (y - middle_y) for x, y in points) / sum(
        (x - middle_x) ** 2 for x, _ in points
    )
    return Law(start, math.exp(middle_y - exponent * middle_x), exponent) if exponent > _GROWS else None
