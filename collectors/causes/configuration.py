"""The engine's configuration file, for the causes that look at growth which nothing bounds."""

from __future__ import annotations

from collectors.causes.finding_context import FindingContext
from collectors.model.engine import DaemonConfig, Engine, Flavour
from collectors.model.reading import Exact


def of_docker(context: FindingContext) -> tuple[Engine, DaemonConfig] | None:
    """The engine and its settings; None where one of them was not read, and for another kind of engine."""
    engine, settings = context.snapshot.engine.engine, context.snapshot.daemon_config
    if not isinstance(settings, Exact) or not isinstance(engine, Exact):
        return None
    return (engine.value, settings.value) if engine.value.flavour is Flavour.DOCKER else None
