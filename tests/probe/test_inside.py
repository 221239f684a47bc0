"""The inside of a probe: one line whatever it finds, nothing else on stdout, and an end even if it hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.model.reading import Exact, Unavailable
from collectors.probe import answer
from collectors.probe.answer import Question


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, *words), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("module", ["collectors", "tui"])
def test_it_prints_one_line_also_where_there_is_no_store(tmp_path: Path, module: str) -> None:
    ended = run("-m", module, "--as-probe", Question(str(tmp_path), "overlay2", 5.0, 3600.0).text())
    assert (ended.returncode, ended.stderr) == (0, "")
    disk = answer.read(ended.stdout.encode())
    assert disk.root == Exact(str(tmp_path), disk.root.origin)
    assert isinstance(disk.store, Unavailable)
    assert not [line.source for line in disk.reports if line.source.startswith("engine")]


@pytest.mark.parametrize("question", ["", "{}", "[1]", '{"root": "/"}', "null"])
def test_what_is_no_question_is_wrong_usage(question: str) -> None:
    ended = run("-m", "collectors", "--as-probe", question)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("ullage: --as-probe is what")


def test_it_ends_by_itself_whatever_hangs() -> None:
    question = json.dumps({"root": "/", "driver": "overlay2", "deadline_s": 0.1, "grace_s": 1})
    hang = "import time, collectors.probe.answer as inside; inside.assemble = lambda _: time.sleep(60)"
    began = time.monotonic()
    ended = run("-c", f"{hang}; inside.run({question!r})")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert time.monotonic() - began < 15


def test_help_tells_of_the_container_and_not_of_its_inside() -> None:
    told = run("-m", "collectors", "--help").stdout
    assert "--probe-container [IMAGE]" in told
    assert "--as-probe" not in told
