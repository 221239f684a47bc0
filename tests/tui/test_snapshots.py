"""The pictures. A drawing that changes must be looked at: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.pipeline.browse import FilePlace
from collectors.pipeline.image_history import ImageLayer, ImageLayers
from tests.tui import shapes
from tests.tui.incident import frames, incident
from tests.tui.screen import live, replay, settle
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.feed.live import LiveFeed

Compare = Callable[..., bool]
RECORDING = frames(4.0)


def pressed(*keys: str) -> Callable[[Pilot[int]], object]:
    async def run(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)

    return run


def recording(theme: str = "dark") -> UllageApp:
    return replay(*RECORDING, theme=f"ullage-{theme}")


@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)], ids=["80x24", "120x36", "200x50"])
def test_overview(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(recording(theme), terminal_size=size, run_before=pressed())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6"], ids=["explore", "history", "plan", "churn", "changes"])
def test_other_views(snap_compare: Compare, key: str, size: tuple[int, int]) -> None:
    assert snap_compare(recording(), terminal_size=size, run_before=pressed(key))


@pytest.mark.parametrize(
    ("size", "theme", "keys"),
    [
        ((80, 24), "light", ("6", "left_curly_bracket")),
        ((200, 50), "ansi", ("6",)),
        ((120, 36), "colour-blind", ("1",)),
        ((120, 36), "colour-blind", ("6", "enter")),
        ((80, 24), "colour-blind", ("3",)),
    ],
    ids=["picked-80x24-light", "changes-200x50-ansi", "overview-colour-blind", "course-colour-blind", "history-80x24"],
)
def test_moments_in_every_theme(
    snap_compare: Compare, size: tuple[int, int], theme: str, keys: tuple[str, ...]
) -> None:
    assert snap_compare(recording(theme), terminal_size=size, run_before=pressed(*keys))


@pytest.mark.parametrize(("width", "height", "theme"), [(80, 24, "light"), (120, 36, "dark"), (200, 50, "ansi")])
def test_several_hosts(snap_compare: Compare, width: int, height: int, theme: str) -> None:
    hosts = [
        (f"tcp://{at}", LiveFeed(FakeSource.showing(replace(incident(at), host=f"db-{at:.0f}")))) for at in (0.0, 60.0)
    ]
    app = UllageApp(hosts[0][1], hosts=hosts, theme=f"ullage-{theme}")
    assert snap_compare(app, terminal_size=(width, height), run_before=pressed())


class Layered:
    """The layers of an image, all known at once."""

    def run(self, tell: Callable[[ImageLayers], object]) -> None:
        place = FilePlace("layer", "/none", 1)
        own = (
            (
                8 << 20,
                0,
                "ADD rootfs.tar /",
                (Owner(OwnerKind.IMAGE, "sha256:" + "5" * 64), Owner(OwnerKind.BUILD, "b")),
            ),
            (700 << 20, 640 << 20, "COPY --chown=app:app node_modules /srv/node_modules", ()),
            (2 << 20, 0, "RUN rm -rf /srv/node_modules && \x1b[31mnpm ci [red]--omit=dev", ()),
        )
        tell(ImageLayers(tuple(ImageLayer(place, *one) for one in own), "", ""))

    def stop(self) -> None: ...


@pytest.mark.parametrize(
    ("width", "height", "theme"), [(80, 24, "light"), (120, 36, "dark"), (200, 50, "colour-blind")]
)
def test_the_layers_of_an_image(snap_compare: Compare, width: int, height: int, theme: str) -> None:
    machine = FakeSource.showing(incident())
    report = incident()
    assert report.ledger is not None
    for item in report.ledger.items[Category.IMAGES]:
        machine.looks_into[item.owner_id.id] = Layered()  # type: ignore[assignment]
    app = live(machine, theme=f"ullage-{theme}")

    async def opened(pilot: Pilot[int]) -> None:
        await settle(pilot)
        app.change(selected="images")
        await pilot.press("2", "enter")
        await settle(pilot)

    assert snap_compare(app, terminal_size=(width, height), run_before=opened)


def test_the_smallest_screen(snap_compare: Compare) -> None:
    assert snap_compare(recording(), terminal_size=(60, 20), run_before=pressed())


def test_help(snap_compare: Compare) -> None:
    assert snap_compare(recording(), terminal_size=(120, 36), run_before=pressed("question_mark"))


def test_the_question_before_applying(snap_compare: Compare) -> None:
    app = live(FakeSource.showing(incident()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressed("p", "a"))


def test_not_root(snap_compare: Compare) -> None:
    assert snap_compare(replay(shapes.not_root()), terminal_size=(80, 24), run_before=pressed())


def test_the_first_second_of_a_scan(snap_compare: Compare) -> None:
    machine = FakeSource([(shapes.starting(), False, ("walk", "images")), (incident(), True, ())])
    machine.gate.clear()
    assert snap_compare(live(machine), terminal_size=(120, 36), run_before=pressed())


def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(recording("ansi"), terminal_size=(120, 36), run_before=pressed())
