"""Histories as builders write them, and the line of the Dockerfile that each entry stands for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collectors.forecast.view import BuildStep, build_steps, busting_step, plain_instruction
from collectors.model import DiffId, ImageId
from collectors.model.engine import HistoryStep, Image
from collectors.model.reading import Exact, Origin, Unavailable, Why

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = Origin("test", "made up", NOW, 0.0)
HASH = "0" * 64


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (f"/bin/sh -c #(nop) COPY file:{HASH} in /srv/app ", "COPY … /srv/app"),
        (f"/bin/sh -c #(nop) COPY --chown=1:1 multi:{HASH} in /srv ", "COPY --chown=1:1 … /srv"),
        (f"/bin/sh -c #(nop) ADD dir:{HASH} in / ", "ADD … /"),
        ('/bin/sh -c #(nop)  CMD ["sleep" "9"]', 'CMD ["sleep" "9"]'),
        ("/bin/sh -c make  all", "RUN make all"),
        ("|2 COMMIT=a1b2 NOTE=two words /bin/sh -c make", "RUN make"),
        ("RUN |1 COMMIT=a1b2 /bin/sh -c make # buildkit", "RUN make"),
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("COPY artefact /srv/artefact # buildkit", "COPY artefact /srv/artefact"),
        ("RUN /bin/bash -eu -c make # buildkit", "RUN /bin/bash -eu -c make"),
        ("Imported from -", "Imported from -"),
        ("", ""),
    ],
)
def test_an_entry_reads_as_its_line_of_the_dockerfile(written: str, line: str) -> None:
    assert plain_instruction(written) == line


def step(written: str, size_bytes: int) -> HistoryStep:
    return HistoryStep(written, Exact(size_bytes, HERE))


def test_entries_that_only_describe_make_no_layer_and_an_empty_layer_is_one() -> None:
    steps = [step("/bin/sh -c #(nop)  ENV A=1", 0), step("/bin/sh -c true", 0), step("/bin/sh -c make", 9)]
    assert build_steps(steps, 2) == (BuildStep("RUN true", 0), BuildStep("RUN make", 9))


@pytest.mark.parametrize(("layers", "names"), [(2, ("WORKDIR /srv", "RUN make")), (1, ("RUN make",))])
def test_the_number_of_layers_tells_whether_workdir_made_one(layers: int, names: tuple[str, ...]) -> None:
    steps = [step("WORKDIR /srv", 0), step("RUN /bin/sh -c make # buildkit", 9)]
    assert tuple(one.instruction for one in build_steps(steps, layers)) == names


def test_a_history_that_does_not_fit_the_layers_or_has_an_unknown_size_tells_nothing() -> None:
    unknown = HistoryStep("/bin/sh -c make", Unavailable(Why.NOT_REPORTED, "no Size", HERE))
    assert build_steps([step("/bin/sh -c make", 9)], 3) == ()
    assert build_steps([unknown], 1) == ()


def image(number: int, *layers: str) -> Image:
    unknown = Unavailable(Why.NOT_ASKED, "", HERE)
    made = Exact(NOW + timedelta(minutes=number), HERE)
    stack = Exact(tuple(DiffId(layer) for layer in layers), HERE)
    return Image(ImageId(f"sha256:{number:064}"), (), (), unknown, unknown, unknown, made, {}, stack)


def test_the_costly_step_is_named_with_the_change_that_forces_it() -> None:
    builds = [image(number, "base", f"copy {number}", f"install {number}") for number in range(4)]
    steps = (BuildStep("FROM", 50), BuildStep("COPY . /srv", 1), BuildStep("RUN install", 90))
    told = {one.id: steps for one in builds}
    assert busting_step(builds, told) == "RUN install (again after COPY . /srv)"


def test_a_step_that_is_only_made_anew_by_itself_stands_alone() -> None:
    builds = [image(number, "base", f"install {number}") for number in range(4)]
    told = {one.id: (BuildStep("FROM", 50), BuildStep("RUN install", 90)) for one in builds}
    assert busting_step(builds, told) == "RUN install"


def test_without_histories_nothing_is_named() -> None:
    assert busting_step([image(1, "a"), image(2, "b")], {}) == ""
