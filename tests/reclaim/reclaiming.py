"""A look at a lab and a run against it, as the command line would do both; and what an engine holds, as one set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from collectors.engine import endpoint
from collectors.inventory import Request
from collectors.ledger.release_table import closure
from collectors.model import Owner
from collectors.model.plan import Plan, Risk
from collectors.model.reading import Exact
from collectors.model.settings import Rules, Settings, Thresholds
from collectors.pipeline import FinishedRun as Looked
from collectors.pipeline import Options, survey
from collectors.reclaim import Event, ReclaimOutcome, StepResult
from collectors.reclaim.run import apply
from collectors.reclaim.tools import RunContext, for_snapshot
from collectors.system.deadline import this_host
from tests.lab import Lab
from tests.lab.engine import get

# A lab is minutes old: what a host's rules call young would leave nothing to test.
NO_AGES = Rules(
    build_cache_age_s=0,
    cache_mount_age_s=0,
    dangling_age_s=0,
    image_age_s=0,
    container_age_s=0,
    log_bytes=1 << 20,
    log_tail_bytes=4096,
)


# The trees that refer to what goes shrink too, by a few blocks in two copies that no prediction names.
TREE_SLACK_BYTES = 32 * 16384


def never() -> bool:
    return False


def promised(looked: Looked, targets: Iterable[Owner]) -> tuple[int, int]:
    """Bytes of data and of tree blocks that go with these owners, by the books."""
    gone = closure(targets)
    freed = [release for release in looked.judged.accounts[0].books.releases if release.owners <= gone]
    trees = sum(release.tree_bytes for release in freed)
    return sum(release.bytes for release in freed) - trees, trees


def as_promised(looked: Looked, done: StepResult) -> bool:
    """On btrfs, whether a step freed its data to the byte and its tree blocks within 1.5 %."""
    data, trees = promised(looked, (target.target for target in done.targets))
    assert isinstance(done.predicted, Exact)
    assert isinstance(done.measured, Exact)
    assert isinstance(done.measured_data, Exact)
    assert done.predicted.value == data + trees > 0
    off = abs(done.measured.value - done.predicted.value)
    return done.measured_data.value == data and off <= max(TREE_SLACK_BYTES, trees * 15 // 1000)


@dataclass
class Reclaiming:
    """One lab under reclaim. `heard` are the events of the last run."""

    lab: Lab
    state: Path
    rules: Rules = NO_AGES
    grace_s: float = 0.0
    heard: list[Event] = field(default_factory=list)

    @property
    def _settings(self) -> Settings:
        return Settings(Thresholds(grace_s=self.grace_s), self.rules)

    def look(self, *, until: float | None = None) -> Looked:
        where = endpoint(self.lab.host, {}, Path("/nonexistent"))
        host = this_host(docker_root=self.lab.docker_root, state=self.state)
        request = Request(where, host, 120.0, self.grace_s)
        return survey(Options(request, self._settings, None, None, until))

    def planned(self, looked: Looked, plan: Plan) -> Looked:
        """This moment, with a plan that was made before."""
        return replace(looked, report=replace(looked.report, plan=plan))

    def context(
        self, looked: Looked, tier: Risk, *, until: float | None = None, named: frozenset[str] = frozenset()
    ) -> RunContext:
        where = endpoint(self.lab.host, {}, Path("/nonexistent"))
        host = this_host(docker_root=self.lab.docker_root, state=self.state)
        return for_snapshot(
            looked.snapshot,
            where,
            host,
            self.state,
            self._settings,
            tier=tier,
            target_percent=until,
            named=named,
            mount=looked.report.plan.mount,
            books=looked.judged.books_of(looked.report.plan.mount),
        )

    def apply(
        self,
        looked: Looked,
        tier: Risk,
        *,
        until: float | None = None,
        named: frozenset[str] = frozenset(),
        cancelled: Callable[[], bool] = never,
        on_event: Callable[[Event], None] | None = None,
        context: RunContext | None = None,
        steps: frozenset[str] | None = None,
    ) -> ReclaimOutcome:
        """Everything that the plan holds, or `steps`; what the tier forbids has to be refused by the run itself."""
        self.heard.clear()

        def hear(event: Event) -> None:
            self.heard.append(event)
            if on_event is not None:
                on_event(event)

        made: Plan = looked.report.plan
        chosen = frozenset(step.id for step in made.every_step) if steps is None else steps
        told = context or self.context(looked, tier, until=until, named=named)
        return apply(made, chosen, told, on_event=hear, cancelled=cancelled)


def holds(lab: Lab) -> set[str]:
    """Every object of the engine: images with each of their tags, containers with their state, volumes."""
    found = set()
    for image in get(lab.socket, "/images/json?all=1"):
        found.add(f"image {image['Id']}")
        found |= {f"tag {tag} {image['Id']}" for tag in image["RepoTags"] or () if tag != "<none>:<none>"}
    for container in get(lab.socket, "/containers/json?all=1"):
        found.add(f"container {container['Id']} {container['Names'][0][1:]}")
    found |= {f"volume {volume['Name']}" for volume in get(lab.socket, "/volumes")["Volumes"] or ()}
    return found


def records(lab: Lab) -> set[str]:
    """Ids of the build cache's records."""
    return {record["ID"] for record in get(lab.socket, "/system/df").get("BuildCache") or ()}
