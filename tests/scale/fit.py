"""How a figure grows with the size: cost = start + factor × size ^ exponent, the exponent by least squares on logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Below, sixteen times as much costs less than four times as much more: it hardly grows, whatever the noise says.
_GROWS = 0.5


@dataclass(frozen=True, slots=True)
class Law:
    """`start` is what size 0 costs, `largest` the largest size that was measured and `cost` what that costs."""

    start: float
    largest: int
    cost: float
    exponent: float

    def at(self, size: float) -> float:
        """On paper, from the largest size on. What grew less than the size did is not counted on to go on so."""
        return self.start + (self.cost - self.start) * float((size / self.largest) ** max(1.0, self.exponent))

    def reaches(self, cost: float) -> float:
        """The size that costs so much, on paper."""
        return self.largest * float(((cost - self.start) / (self.cost - self.start)) ** (1 / max(1.0, self.exponent)))


def law(costs: Mapping[int, float], start: float, noise: float) -> Law | None:
    """From costs by size; None where they hardly grow: fewer than three rise out of the noise, or all by the same."""
    points = [(math.log(size), math.log(cost - start)) for size, cost in costs.items() if cost - start > noise]
    if len(points) < 3:
        return None
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    exponent = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
    largest = max(costs)
    return Law(start, largest, costs[largest], exponent) if exponent > _GROWS else None
