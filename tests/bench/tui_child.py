"""The dashboard as the bench starts it: a fabricated machine that hangs, one of ten thousand items, or one whose things
all have the files in `many`, beside FACTS.

Run as `python -m tests.bench.tui_child MODE FACTS`; what was imported when the first screen was drawn goes to FACTS.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn


def main(mode: str, facts: str) -> NoReturn:
    from collectors.cli.signals import end
    from collectors.model import Owner
    from collectors.pipeline.browse import FilePlace
    from tui.app import UllageApp
    from tui.feed.live import LiveFeed, OnReport
    from tui.view_models.history import RunSummary

    class Hanging:
        """Says how full the disk is, then sits in a call that nothing interrupts."""

        def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> None:
            from tests.tui.incident import incident
            from tests.tui.shapes import huge, starting

            if mode == "huge":
                on_report(huge(10_000), True, ())
                return
            on_report(starting(), False, ("walk",))
            if mode == "slow":
                time.sleep(30)
            if mode == "pooled":
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(time.sleep, 30).result()
            on_report(incident(), True, ())

        def places(self, owner: Owner) -> Sequence[FilePlace]:
            return (FilePlace("many", str(Path(facts).with_name("many")), None),)

        def layers(self, owner: Owner) -> None:
            return None

        def watch(self, on_figures: object) -> None:
            return

        def look_at(self, mount: str) -> None:
            return

        def journal_runs(self) -> Sequence[RunSummary]:
            return ()

        def apply(self, *_: object) -> object:
            raise NotImplementedError

    class Watched(UllageApp):
        def start_live(self) -> None:
            loaded = [name for name in ("docker", "numpy", "plotext", "requests") if name in sys.modules]
            Path(facts).write_text(json.dumps(loaded))
            super().start_live()

    end(Watched(LiveFeed(Hanging())).run() or 0)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
