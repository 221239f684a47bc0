"""Makes the pictures in `screenshots/`: `python -m tests.lab.screenshots` (root, Chromium; about two minutes).

Most show the shipped demo, which is a recording of a real lab; those of applying and of a user without privileges are
taken of a lab that is up meanwhile. Each is an SVG and the same as a PNG.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text
from textual.pilot import Pilot

from collectors.cli.command_line import parser
from tests.faults.running import anybodys_python
from tests.lab import Lab
from tui.app import UllageApp
from tui.export import local
from tui.feed import of_recording
from tui.feed.live import LiveFeed
from tui.launch import DEMO, HostSource

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"
WIDE, USUAL, SMALL = (120, 36), (80, 24), (60, 20)

# name → size, theme, keys
OF_THE_DEMO: dict[str, tuple[tuple[int, int], str, Sequence[str]]] = {
    "overview": (WIDE, "dark", ()),
    "explore": (WIDE, "dark", ("down", "down", "2")),
    "history": (WIDE, "dark", ("3",)),
    "plan": (WIDE, "dark", ("4",)),
    "churn": (WIDE, "dark", ("5",)),
    "changes": (WIDE, "dark", ("6",)),
    "changes-80x24": (USUAL, "light", ("6",)),
    "changes-200x50": ((200, 50), "ansi", ("6", "left_curly_bracket")),
    "course": (WIDE, "colour-blind", ("6", "enter")),
    "history-80x24": (USUAL, "dark", ("3", "left_square_bracket")),
    "colour-blind": (WIDE, "colour-blind", ()),
    "help": (WIDE, "dark", ("question_mark",)),
    "80x24": (USUAL, "dark", ()),
    "60x20": (SMALL, "dark", ()),
    "light": (WIDE, "light", ()),
    "ansi": (WIDE, "ansi", ()),
    "200x50": ((200, 50), "dark", ()),
    "after-reclaim": (WIDE, "dark", ("end",)),
    "find": (WIDE, "dark", ("slash", *"web")),
    "marks": (WIDE, "dark", ("down", "space", "down", "space", "p")),
    "bills": (WIDE, "light", ("2", "b")),
}


async def settle(pilot: Pilot[int], seconds: float = 0.3) -> None:
    for _ in range(3):
        await pilot.pause(seconds / 3)


async def of_the_demo(name: str) -> None:
    size, theme, keys = OF_THE_DEMO[name]
    app = UllageApp(of_recording(DEMO), theme=f"ullage-{theme}")
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)
        save(name, app.export_screenshot(title="ullage --demo"))


async def of_a_lab(arguments: argparse.Namespace) -> None:
    """The way from a full disk to a freed one, on a real engine."""
    app = UllageApp(LiveFeed(HostSource(arguments)), theme="ullage-dark")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot, 12)
        await pilot.press("4")
        await settle(pilot)
        for _ in range(3):
            await pilot.press("down", "space")
        await settle(pilot)
        save("plan-live", app.export_screenshot(title="ullage"))
        await pilot.press("a")
        await settle(pilot, 1)
        save("apply", app.export_screenshot(title="ullage"))
        await pilot.press(*os.uname().nodename.lower(), "enter")
        await settle(pilot, 3)
        save("applying", app.export_screenshot(title="ullage"))
        await settle(pilot, 25)
        save("applied", app.export_screenshot(title="ullage"))


async def inside_a_lab(arguments: argparse.Namespace) -> None:
    """What is inside an image and one of its layers."""
    app = UllageApp(LiveFeed(HostSource(arguments)), theme="ullage-dark")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot, 12)
        app.change(selected="images")
        await pilot.press("2", "enter")
        await settle(pilot, 3)
        save("layers", app.export_screenshot(title="ullage"))
        await pilot.press("enter")
        await settle(pilot, 3)
        save("files", app.export_screenshot(title="ullage"))
        await pilot.press("escape", "escape")


async def of_several(hosts: Sequence[tuple[str, argparse.Namespace]]) -> None:
    """One line a host, at two sizes."""
    for name, size, theme in (("hosts", WIDE, "dark"), ("hosts-80x24", USUAL, "light")):
        feeds = [(host, LiveFeed(HostSource(arguments))) for host, arguments in hosts]
        app = UllageApp(feeds[0][1], theme=f"ullage-{theme}", hosts=feeds)
        async with app.run_test(size=size) as pilot:
            await settle(pilot, 12)
            save(name, app.export_screenshot(title="ullage"))


async def of_a_recording(name: str, recording: Path, title: str) -> None:
    app = UllageApp(of_recording(recording), theme="ullage-dark")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        save(name, app.export_screenshot(title=title))


def preflight_text(text: str) -> None:
    page = "\n".join(text.splitlines()[:58])
    console = Console(record=True, width=130, file=io.StringIO())
    console.print(Text(page), soft_wrap=False, overflow="ellipsis", no_wrap=True)
    save("preflight", console.export_svg(title="ullage --preflight"))


def save(name: str, svg: str) -> None:
    drawing = FOLDER / f"{name}.svg"
    drawing.write_text(local(svg))
    rasterise(drawing, svg)
    print(drawing.with_suffix(".png").name, file=sys.stderr)


def rasterise(drawing: Path, svg: str) -> None:
    """A PNG beside the SVG. A browser draws text where the SVG says; simpler converters do not."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    width, height = (math.ceil(float(side)) for side in found.groups())
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
        ]
        where = [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        shot = [f"--screenshot={drawing.with_suffix('.png')}", drawing.as_uri()]
        command = ["chromium", *options, *where, *shot]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> int:
    if shutil.which("chromium") is None:
        print("chromium is missing", file=sys.stderr)
        return 3
    FOLDER.mkdir(exist_ok=True)
    for name in OF_THE_DEMO:
        asyncio.run(of_the_demo(name))
    with tempfile.TemporaryDirectory() as folder, Lab.up(driver="btrfs", mess="incident", size_mib=1536) as lab:
        base = Path(folder)
        base.chmod(0o777)
        config = base / "config.toml"
        ages = ("build_cache", "cache_mount", "dangling", "image", "container")
        config.write_text("[thresholds]\ngrace_s = 1\n[keep]\n" + "".join(f"{age}_age_s = 0\n" for age in ages))
        common = ["--host", lab.host, "--config", str(config), "--journal", str(base / "j"), "--state", str(base / "s")]
        command = [sys.executable, "-m", "collectors", "--preflight", *common]
        preflight_text(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        recording = base / "nobody.jsonl"
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        python, environ = anybodys_python()
        asked = ["--host", lab.host, "--docker-root", str(lab.docker_root), "--config", str(config)]
        subprocess.run(
            [*nobody, python, *command[1:4], *asked, "--no-journal", "--no-state", "--record", str(recording)],
            check=False,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **environ},
        )
        asyncio.run(of_a_recording("degraded", recording, "ullage, without any privilege"))
        asyncio.run(inside_a_lab(parser("ullage").parse_args(common)))
        away, alone = "tcp://192.0.2.1:2375", ["--no-journal", "--no-state", "--deadline", "5"]
        parsed = [(host, parser("ullage").parse_args(["--host", host, *alone])) for host in (lab.host, away)]
        asyncio.run(of_several(parsed))
        asyncio.run(of_a_lab(parser("ullage").parse_args(common)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
