"""A tag built twelve times over several journaled runs: how often, what it left, and which line of it does that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, engine, layout, measure
from tests.lab.messes.churn import TAG
from tests.lab.require import require_machine
from tests.machine.journaling import Supervisor

pytestmark = pytest.mark.machine

MIB = 1 << 20
BUILDS_COUNT = 12
RUNS_COUNT = 4
LAYER_BYTES = 4 * MIB

# What changes with every build stands before what is large: the commit busts the cache of the copy after it.
DOCKERFILE = """\
FROM base:1
LABEL team=shop
ARG COMMIT
RUN echo "$COMMIT" > /commit
RUN head -c {} /dev/urandom > /srv-bundle
ENV MODE=production
CMD ["sleep", "100000"]
"""


@dataclass(frozen=True)
class Rebuilt:
    """A lab in which the tag was built again and again, and the report of the run after the last build."""

    text: str
    document: dict[str, Any]
    dangling_bytes: int  # as the disk has it


def build_over_runs(lab: Lab, supervisor: Supervisor, build: Callable[[int], object]) -> Rebuilt:
    """Twelve builds, a run after every third; the last run once as JSON and then as text."""
    lab.client.base_image()
    for number in range(1, BUILDS_COUNT + 1):
        build(number)
        if number % (BUILDS_COUNT // RUNS_COUNT) == 0 and number < BUILDS_COUNT:
            supervisor.run()
    # What a run 20 minutes later finds: everything on the disk.
    measure.flush(lab.mount)
    document = supervisor.document()
    return Rebuilt(supervisor.page(), document, dangling_bytes(lab))


def dangling_bytes(lab: Lab) -> int:
    """Blocks of the layers that no tagged image has, by the disk's own tools."""
    owned = layout.owned(lab.docker_root, lab.driver, lab.socket)
    tagged = {image["Id"] for image in engine.get(lab.socket, "/images/json") if image["RepoTags"] != ["<none>:<none>"]}
    kept = [owned.layers[layer] for image in tagged for layer in owned.chains[image]]
    return measure.allocated_bytes(lab.fs, list(owned.layers.values())) - measure.allocated_bytes(lab.fs, kept)


@pytest.fixture(scope="module", params=["overlay2", "overlay2-buildkit", "btrfs"])
def rebuilt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebuilt]:
    require_machine()

    driver, _, builder = request.param.partition("-")

    def build(number: int) -> None:
        files = {"Dockerfile": DOCKERFILE.format(LAYER_BYTES)}
        lab.build(TAG, files, buildkit=builder == "buildkit", args=("--build-arg", f"COMMIT={number:040x}"))

    with Lab.up(driver=driver, mess="empty", size_mib=1024) as lab:
        yield build_over_runs(lab, Supervisor(lab, tmp_path_factory.mktemp("memory")), build)


def churn_of(document: dict[str, Any], repository: str) -> dict[str, Any]:
    (found,) = [one for one in document["trend"]["churn"] if one["repository"] == repository]
    assert isinstance(found, dict)
    return found


def test_the_churn_line_says_twelve(rebuilt: Rebuilt) -> None:
    (line,) = [line for line in rebuilt.text.splitlines() if line.startswith("- Churn: shop/app ")]
    assert re.search(r"rebuilt 12 times since .* now dangling in 11 images", line)


def test_the_document_says_twelve_and_names_eleven_dangling_images(rebuilt: Rebuilt) -> None:
    found = churn_of(rebuilt.document, "shop/app")
    assert (found["rebuilds"], found["dangling_images"]) == (BUILDS_COUNT, BUILDS_COUNT - 1)


def test_the_dangling_bytes_are_what_the_lab_measured(rebuilt: Rebuilt) -> None:
    found = churn_of(rebuilt.document, "shop/app")["dangling_bytes"]
    assert found == pytest.approx(rebuilt.dangling_bytes, rel=0.02)


def test_the_line_of_the_dockerfile_that_makes_the_bytes_is_named_with_what_forces_it(rebuilt: Rebuilt) -> None:
    step = churn_of(rebuilt.document, "shop/app")["busting_step"]
    expected = f'RUN head -c {LAYER_BYTES} /dev/urandom > /srv-bundle (again after RUN echo "$COMMIT" > /commit)'
    assert step == expected
    assert "new bytes come from RUN head" in rebuilt.text


def test_coverage_tells_that_the_engine_was_asked(rebuilt: Rebuilt) -> None:
    outcomes = {row["source"]: row["outcome"] for row in rebuilt.document["coverage"]}
    assert outcomes["engine: events"] == outcomes["engine: image histories"] == "read"


def test_a_host_without_dangling_images_and_moved_tags_is_not_asked(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(mess="empty", size_mib=512) as lab:
        lab.client.base_image()
        supervisor = Supervisor(lab, tmp_path)
        supervisor.run()
        document = supervisor.document()
    assert "engine: events" not in {row["source"] for row in document["coverage"]}
