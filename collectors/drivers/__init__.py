"""Who owns which directory under the Docker root: read from disk alone, so it holds with the engine dead.

Lists, stats and reads small files and bolt databases; measures nothing but logs. Never raises, writes nothing, takes
no lock. Refuses to call anything an orphan that it cannot prove to be one.
"""

from __future__ import annotations

from pathlib import Path

from collectors.drivers.ask import Asker
from collectors.drivers.layout import find_layout
from collectors.drivers.leftovers import records_of
from collectors.drivers.survey import read_store
from collectors.model.reading import Reading, Unavailable
from collectors.model.store import Store
from collectors.system.deadline import Declined, read
from collectors.system.host import Host

__all__ = ["records_of", "store"]

# What the joins may take of the deadline, so that what was read in time is also returned in time.
_RESERVE_S = 0.25


def store(
    root: Path,
    host: Host,
    *,
    driver_hint: str | None,
    containerd_root: Path | None = None,
    grace_s: float = 3600.0,
    freshly_bound: bool = False,
    deadline_s: float,
) -> Reading[Store]:
    """What lies under the Docker root and who knows it.

    `root` and `containerd_root` as this process can open them; `driver_hint` the engine's `Driver`
    (`containerd:<name>`, or the bare snapshotter's name, for the containerd store), None when no engine answers.
    `grace_s`: how old something that nobody knows must be. `freshly_bound`: the engine bound `root` into this process's
    container moments ago, with all that was mounted below it. `deadline_s`: seconds for everything; parts that come too
    late say so, the others are there.
    """

    def work() -> Store:
        ask = Asker(deadline_s - min(_RESERVE_S, deadline_s / 10))
        found = ask.part(
            "layout", root, lambda: find_layout(root, driver_hint=driver_hint, containerd_root=containerd_root)
        )
        if isinstance(found, Unavailable):
            raise Declined(found.why, found.detail)
        return read_store(found.value, host, ask, grace_s, freshly_bound=freshly_bound)

    return read("docker_root", str(root), work, timeout_s=deadline_s)
