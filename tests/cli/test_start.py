"""What a run loads: most of the time of one that has nothing to walk anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fakes.engine import engine

# Libraries of others that a report on this machine does without, and what is for another engine, filesystem or face.
NOT_NEEDED = (
    "docker", "requests", "urllib3", "charset_normalizer", "numpy", "crc32c", "prometheus_client", "textual", "rich",
    "plotext", "subprocess", "asyncio", "multiprocessing", "tomllib", "collectors.probe", "collectors.reclaim",
    "collectors.engine.write_client", "collectors.filesystems.btrfs.trees", "collectors.filesystems.btrfs.figures",
    "collectors.report.recording",
)  # fmt: skip
MOST_MODULES = 365


def loaded_by_a_run(folder: Path) -> set[str]:
    """The modules that one `--preflight` has loaded when it ends, asked of an engine at a socket."""
    with engine("26.1.5-overlay2") as server:
        arguments = ["--preflight", "--host", server.url, "--journal", str(folder), "--state", str(folder)]
        code = (
            "import sys\nfrom collectors.cli import main\n"
            f"main({arguments!r})\nsys.stderr.write('loaded ' + ' '.join(sys.modules))"
        )
        ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
        assert any(request.path.endswith("/images/json") for request in server.requests)
    return set(ended.stderr.rpartition("loaded ")[2].split())


def test_a_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    loaded = loaded_by_a_run(tmp_path)
    assert sorted(name for name in NOT_NEEDED if name in loaded) == []
    assert len(loaded) <= MOST_MODULES, f"{len(loaded)} modules: what is new, and can it be loaded when it is needed?"


_DASHBOARD = """
import sys
from collectors.cli.command_line import parser
from tui.launch import HostSource
source = HostSource(parser("ullage").parse_args(sys.argv[1:]))
before = set(sys.modules)
for turn in range(2):
    source.journal_runs()
    source.survey(lambda *report: None, lambda: False)
    source._journaled_s = None  # as if that had been ten minutes ago
print(*(name for name in sys.modules if name.startswith("collectors.") and name not in before))
"""


def test_what_scans_and_what_reads_the_journal_load_nothing_of_one_another_in_their_threads(tmp_path: Path) -> None:
    """Two threads that load a package and a module of it stand in each other's way: one of them got half of it."""
    (tmp_path / "root").mkdir()
    with engine("26.1.5-overlay2") as server:
        words = ["--host", server.url, "--docker-root", f"{tmp_path}/root", "--journal", f"{tmp_path}", "--no-state"]
        code = [sys.executable, "-c", _DASHBOARD, *words, "--deadline", "5"]
        ended = subprocess.run(code, capture_output=True, text=True, check=True)
    looks = ("collectors.engine.", "collectors.drivers.", "collectors.filesystems.")
    assert [name for name in ended.stdout.split() if not name.startswith(looks)] == []


def test_to_say_its_version_it_loads_next_to_nothing() -> None:
    code = "import sys, tui.__main__ as it\nit.main(['--version'])\nprint(*sys.modules)"
    said, loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    slow = {"pathlib", "dataclasses", "typing", "threading", "signal", "traceback", "tempfile", "collectors.model"}
    assert said.startswith("ullage ")
    assert slow & set(loaded.split()) == set()


def test_who_ends_writes_what_was_said_and_waits_for_no_thread() -> None:
    code = """
import sys, threading, time
from collectors.cli.signals import end
threading.Thread(target=time.sleep, args=(60,)).start()
print("said")
end(2)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "said\n", "")
