"""How much longer something takes when there is more of it: a guard against work that grows with the square."""

from __future__ import annotations

import time
from collections.abc import Callable

# Four times as many: linear work takes 4 to 6 times as long, what compares each with each 16 times and more.
TIMES = 4
TOO_MUCH = 9.0


def growth(prepared: Callable[[int], Callable[[], object]], count: int) -> float:
    """`prepared(n)` gives the work over n things. Processor time, the best of three, of `TIMES` × count over count."""

    def took_s(size: int) -> float:
        work, best = prepared(size), float("inf")
        for _ in range(3):
            began = time.process_time()
            work()
            best = min(best, time.process_time() - began)
        return best

    small = took_s(count)
    return took_s(TIMES * count) / max(small, 1e-3)
