"""What the dashboard may load: proven in a process of its own, from the modules that are there afterwards."""

import subprocess
import sys

import pytest

SLOW = {"docker", "numpy", "requests", "plotext", "textual_plotext"}


def loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["tui.app", "tui.feed", "tui.screens.overview"])
def test_nothing_slow_and_no_source_is_imported_with_the_dashboard(module: str) -> None:
    names = loaded(f"import {module}")
    assert not names & SLOW
    assert not any(name.startswith("collectors.sources") for name in names)


@pytest.mark.parametrize("module", ["tui.rows", "tui.headline", "tui.chart", "tui.timeline", "tui.items", "tui.export"])
def test_what_is_pure_needs_no_toolkit(module: str) -> None:
    assert "textual" not in loaded(f"import {module}")
