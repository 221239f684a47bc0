"""One GET for each of many things, a few at a time, as far as the time goes. Refuses to let one hold up the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from collectors.engine.attempt import attempt, missing
from collectors.engine.transport import GRACE_S, Session
from collectors.model.reading import Unavailable, Why

K = TypeVar("K")
T = TypeVar("T")

# The SDK's own work is bound to one processor; more would only queue at the engine.
_WORKERS = 4
# An engine that holds one container's lock (on a hung mount) keeps silent about that container alone.
PATIENCE_S = 3.0


def each(
    things: Sequence[K], inspect: Callable[[K], T], session: Session, *, source: str, call: str
) -> dict[K, T | Unavailable]:
    """`inspect` of each thing, or why there is none; NOT_ASKED for those that no time was left for."""
    found: dict[K, T | Unavailable] = {}
    waiting = iter(things)
    lock = threading.Lock()

    def work() -> None:
        while session.left_s > 0:
            with lock:
                thing = next(waiting, None)
            if thing is None:
                return
            answer = attempt(source, call, partial(inspect, thing))
            found[thing] = answer if isinstance(answer, Unavailable) else answer.value

    count = min(_WORKERS, len(things))
    workers = [threading.Thread(target=work, name=f"{source} {n}", daemon=True) for n in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, session.left_s) + GRACE_S)
    late = missing(Why.NOT_ASKED, "no time was left for it", source, call)
    return {thing: found.get(thing, late) for thing in things}
