"""Layer writes and removals that a crash cut short; each must still be one, and the engine stopped."""

from __future__ import annotations

from pathlib import Path

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.reclaim import preconditions
from collectors.reclaim.act import GONE, Act, skipped
from collectors.reclaim.tools import Remover, Tools
from collectors.reclaim.tree import remove_layer


class Interrupted(Remover):
    """Layer writes and removals that a crash cut short; each must still be one, and the engine stopped."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._interrupted: frozenset[str] = frozenset()

    def before(self, step: Step) -> str:
        """Reads the store again, once: nobody changes it while the engine is stopped."""
        context, engine = self._tools.context, self._tools.engine
        if context.docker_root is None:
            return "the Docker root is not known"
        if not preconditions.stopped(engine):
            return "the engine runs, or is not known to be stopped: stop it, and its socket unit, then run this again"
        store = preconditions.read_again(context, engine, Path(context.docker_root))
        units = store.value.units if isinstance(store, Exact) else store
        if not isinstance(units, Exact):
            return f"the layer database could not be read again: {units.detail}"
        self._interrupted = frozenset(u.path for u in units.value if u.kind is UnitKind.INTERRUPTED_WRITE)
        return ""

    def act(self, step: Step, target: Owner) -> Act:
        path = target.id
        if not preconditions.stopped(self._tools.engine):
            return skipped("the engine was started meanwhile")
        if not Path(path).exists():
            return GONE
        if path not in self._interrupted:
            return skipped("it is no interrupted write any more")
        if reason := preconditions.mounted_inside(self._tools.context.host, path):
            return skipped(reason)
        return remove_layer(Path(path))

    def still_there(self, target: Owner) -> bool | None:
        return Path(target.id).exists()
