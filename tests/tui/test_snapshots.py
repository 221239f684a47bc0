"""The pictures. A drawing that changes must be looked at: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.pipeline.browse import DirectoryListing, FileEntry, FilePlace
from collectors.pipeline.image_history import ImageLayer, ImageLayers
from tests.tui import shapes
from tests.tui.build import NOW, gib
from tests.tui.incident import frames, incident
from tests.tui.screen import live, replay, settle
from tests.tui.source import FakeSource
from tests.tui.test_bills import billed
from tui.app import UllageApp
from tui.drawing.palette import PALETTES
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


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("key", ["4", "5"], ids=["plan", "churn"])
def test_other_views(snap_compare: Compare, key: str, size: tuple[int, int]) -> None:
    assert snap_compare(recording(), terminal_size=size, run_before=pressed(key))


class Layered:
    """The layers of an image, all known at once."""

    def run(self, tell: Callable[[ImageLayers], object]) -> None:
        place = FilePlace("layer", "/none", 1)
        base = (Owner(OwnerKind.IMAGE, "sha256:" + "5" * 64), Owner(OwnerKind.BUILD, "b"))
        own = (
            (8 << 20, 0, "ADD rootfs.tar /", base),
            (700 << 20, 640 << 20, "COPY --chown=app:app node_modules /srv/node_modules", ()),
            (2 << 20, 0, "RUN rm -rf /srv/node_modules && \x1b[31mnpm ci [red]--omit=dev", ()),
        )
        tell(ImageLayers(tuple(ImageLayer(place, *one) for one in own), "", ""))

    def stop(self) -> None: ...


class Filed(LiveFeed):
    """Every directory holds the same, and all of it is known at once."""

    def browse(
        self,
        place: FilePlace,
        inside: Sequence[str],
        on_screen: Callable[..., object],
        listed: Callable[[DirectoryListing], object],
    ) -> None:
        now = NOW.timestamp()
        listed(
            DirectoryListing(
                (
                    FileEntry("base", "directory", gib(61.0), gib(60.9), 1_204, now - 300, None),
                    FileEntry("pg_wal", "directory", gib(22.5), gib(22.5), 1_441, now - 2, None),
                    FileEntry("dump-before-the-migration.sql", "file", gib(0.4), gib(0.4), None, 0.0, gib(0.1)),
                    FileEntry("[red]\x1b[31m", "file", 4096, 12, None, now - 86_400 * 400, 4096),
                    FileEntry("backup", "mount", 0, None, None, now, None),
                    FileEntry("current", "link", 0, 7, None, now, 0),
                ),
                True,
                "",
            )
        )


def several_hosts() -> UllageApp:
    hosts = [
        (f"tcp://{at}", LiveFeed(FakeSource.showing(replace(incident(at), host=f"db-{at:.0f}")))) for at in (0.0, 60.0)
    ]
    return UllageApp(hosts[0][1], hosts=hosts)


def looked_into(feed: type[LiveFeed] = LiveFeed, *, layered: bool = False) -> UllageApp:
    """A live host whose things can be opened."""
    machine = FakeSource.showing(incident())
    ledger = incident().ledger
    assert ledger is not None
    for item in ledger.items[Category.IMAGES] if layered else ():
        machine.looks_into[item.owner_id.id] = Layered()  # type: ignore[assignment]
    for item in ledger.items[Category.VOLUMES]:
        machine.where[item.owner_id.id] = (FilePlace("data", "/none", 1, tells_alone=True),)
    return UllageApp(feed(machine))


# Every view and what lies over one: the application, and the keys that lead there.
SHOWN: dict[str, tuple[Callable[[], UllageApp], tuple[str, ...]]] = {
    "overview": (recording, ()),
    "explore": (recording, ("down", "2")),
    "bills": (lambda: replay(billed()), ("2", "b")),
    "replay": (recording, ("3", "left_square_bracket")),
    "changes": (recording, ("6", "left_curly_bracket")),
    "course": (recording, ("6", "down", "enter")),
    "plan": (lambda: live(FakeSource.showing(incident())), ("space", "down", "space", "p")),
    "hosts": (several_hosts, ()),
    "layers": (lambda: looked_into(layered=True), ("down", "enter", "enter")),
    "files": (lambda: looked_into(Filed), ("down", "down", "enter", "enter")),
    "find": (recording, ("slash", *"data")),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)], ids=["80x24", "120x36", "200x50"])
@pytest.mark.parametrize("view", SHOWN)
async def test_every_view_in_every_theme(snapshot: SnapshotAssertion, view: str, size: tuple[int, int]) -> None:
    """One application a view and size: `T` takes it through the themes. A search takes every key for itself."""
    make, keys = SHOWN[view]
    pictures = snapshot.use_extension(SVGImageExtension)
    app = make()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)
        for palette in PALETTES:
            assert app.theme == palette
            assert pictures(name=palette.removeprefix("ullage-")) == app.export_screenshot()
            await pilot.press(*(("escape", "T", *keys) if view == "find" else ("T",)))
            await settle(pilot)


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
