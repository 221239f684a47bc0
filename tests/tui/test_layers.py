"""What the dashboard may load: proven in a process of its own, from the modules that are there afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

import tui

READERS = ("collectors.system", "collectors.engine", "collectors.drivers", "collectors.filesystems")
PATHS = {"collectors.system", "collectors.system.folders"}  # where the program keeps its files: nothing is read
SLOW = {"docker", "numpy", "requests", "plotext", "textual_plotext", "prometheus_client"}
VIEW_MODELS = sorted(path.stem for path in (Path(tui.__file__).parent / "view_models").glob("*.py"))


def loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["tui.launch", "tui.feed", "tui.screens"])
def test_nothing_slow_and_no_source_is_imported_with_the_dashboard(module: str) -> None:
    names = loaded(f"import {module}")
    assert not names & SLOW
    assert not any(name.startswith(READERS) for name in names - PATHS)


def test_what_is_pure_needs_no_toolkit() -> None:
    modules = [f"tui.view_models.{name}" for name in VIEW_MODELS if name != "__init__"]
    assert len(modules) >= 8
    assert "textual" not in loaded(f"import {', '.join(modules)}, tui.view_models.chart, tui.export")
