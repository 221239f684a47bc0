"""The pictures of the README: `python screenshots/make.py RECORDING [FOLDER]`.

RECORDING is what `ullage --record` writes (or, as .gz, what is shipped as the demo), of a real incident. Every picture
is drawn by the dashboard itself, as SVG, and as PNG where Chromium is there to rasterise it. Nothing is staged but the
keys that are pressed.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import subprocess  # noqa: TID251 - a maker of pictures, not a collector: it runs a browser, if there is one
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.text import Text  # noqa: E402

from collectors.model.plan import Plan  # noqa: E402
from collectors.model.report import Report  # noqa: E402
from collectors.report import text  # noqa: E402
from collectors.report.recording import load  # noqa: E402
from tui.app import UllageApp  # noqa: E402
from tui.export import local  # noqa: E402
from tui.feed import LiveFeed, OnReport, ReplayFeed  # noqa: E402
from tui.moments import Moment, of_report  # noqa: E402

# Of the preflight page; then cells to pixels as Rich draws them, for the size of the browser's window.
_PAGE_WIDTH, _PAGE_LINES = 110, 60
_CELL_WIDTH, _CELL_HEIGHT, _FRAME_WIDTH, _FRAME_HEIGHT = 12.2, 24.4, 18, 50


@dataclass(frozen=True, slots=True)
class Picture:
    """`live`: the newest report as if it had just been read, so that the plan can be asked to run (it never does)."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 36)
    theme: str = "dark"
    live: bool = False
    no_color: bool = False


PICTURES = (
    Picture("overview"),
    Picture("explore", ("2",)),
    Picture("history", ("3",)),
    Picture("event", ("3", "left_square_bracket")),
    Picture("plan", ("4", "d")),
    Picture("apply", ("4", "a"), live=True),
    Picture("churn", ("5",)),
    Picture("help", ("question_mark",)),
    Picture("80x24", size=(80, 24)),
    Picture("60x20", size=(60, 20)),
    Picture("200x50", size=(200, 50)),
    Picture("light", theme="light"),
    Picture("sixteen-colours", theme="ansi"),
    Picture("no-colour", theme="ansi", no_color=True),
)


class Recorded:
    """A machine that only ever says what was recorded, and refuses to run anything."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports = reports

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> None:
        on_report(self._reports[-1], True, ())

    def past(self) -> Sequence[Moment]:
        return [of_report(report) for report in self._reports[:-1]]

    def apply(self, plan: Plan, chosen: frozenset[str], on_event: object, cancelled: object) -> object:
        raise RuntimeError("a picture runs nothing")


async def draw(picture: Picture, reports: Sequence[Report]) -> str:
    """The SVG of one picture."""
    os.environ.pop("NO_COLOR", None)
    if picture.no_color:
        os.environ["NO_COLOR"] = "1"
    feed = LiveFeed(Recorded(reports)) if picture.live else ReplayFeed.of_reports(reports)  # type: ignore[arg-type]
    app = UllageApp(feed, theme=f"ullage-{picture.theme}")
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause(0.3)
        for key in picture.keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        await pilot.pause(0.2)
        return local(app.export_screenshot(title="ullage"))


def preflight(report: Report) -> tuple[str, tuple[int, int]]:
    """The start of the preflight page as SVG, and its size in cells."""
    page = text.render(report).splitlines()[:_PAGE_LINES]
    console = Console(record=True, width=_PAGE_WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text("\n".join(page)), no_wrap=True, crop=True)
    return local(console.export_svg(title="ullage --preflight")), (_PAGE_WIDTH, len(page))


def rasterise(svg: Path, size: tuple[int, int]) -> bool:
    """A PNG beside the SVG; False where no browser is there to make it."""
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
    )
    if not browser:
        return False
    width, height = round(size[0] * _CELL_WIDTH + _FRAME_WIDTH), round(size[1] * _CELL_HEIGHT + _FRAME_HEIGHT)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
        ]
        command += [f"--window-size={width},{height}", f"--screenshot={svg.with_suffix('.png')}", svg.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return True


def main(recording: str, folder: str = str(ROOT / "screenshots")) -> int:
    opened = gzip.open if recording.endswith(".gz") else open
    with opened(recording, "rt", encoding="utf-8") as lines:
        reports = [load(line) for line in lines if line.strip()]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    drawn = {picture.name: (asyncio.run(draw(picture, reports)), picture.size) for picture in PICTURES}
    drawn["preflight"] = preflight(reports[-1])
    for name, (svg, size) in drawn.items():
        path = target / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(path, "and .png" if rasterise(path, size) else "(no browser: no .png)")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
