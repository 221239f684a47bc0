"""`--print supervisor`, run as it is printed: the report stands there, the script goes on, the statuses are right."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.report.metrics import SUPERVISOR
from collectors.report.text import SECTIONS
from tests.faults.room import Room
from tests.faults.running import NOBODY, anybodys_python, nobody_can_run
from tests.lab.commands import run as command
from tests.machine.journaling import task_of

ROOT = Path(__file__).resolve().parents[2]
SHELLS = {
    "bash": ("bash", "-euo", "pipefail"),
    "dash": ("dash", "-eu"),
    "ash": ("busybox", "ash", "-eu", "-o", "pipefail"),
}
# The script that goes on reads the report with the `grep` of its place: busybox' own beside ash.
_LAST = """\
severity=$(printf '%s\\n' "$docker_storage_report" | grep '^Severity: ') || severity=
printf "went on: %s %s %s %s\\n" "$docker_storage_status" "$disk_used" "$docker_reclaim_status" "${severity#*: }"
"""


@dataclass(frozen=True)
class Pasted:
    status: int
    stdout: str
    stderr: str

    @property
    def sections(self) -> tuple[str, ...]:
        return tuple(line[3:] for line in self.stdout.splitlines() if line.startswith("## "))

    @property
    def went_on(self) -> list[str]:
        """The report's status, how full the disk is, reclaim's status, the severity: what the script goes on with."""
        last = self.stdout.splitlines()[-1]
        assert last.startswith("went on: "), self
        return last.removeprefix("went on: ").split()


def shell_called(name: str) -> tuple[str, ...]:
    words = SHELLS[name]
    where = shutil.which(words[0])
    if where is None:
        pytest.skip(f"{words[0]} is not installed")
    return (where, *words[1:])


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return shell_called(request.param)


def readme() -> str:
    """The recipe as README prints it."""
    _, _, below = (ROOT / "README.md").read_text().partition("## From a supervisor\n\n```sh\n")
    return below.partition("```\n")[0]


def paste(
    shell: tuple[str, ...], programs: Path, *, recipe: str = SUPERVISOR, user: int | None = None, **environ: str
) -> Pasted:
    """The lines in a script of that shell, perhaps as another user. Its PATH has no other program but a `grep`; stderr
    is a socket, as under systemd, which nobody can open by a path."""
    script = programs / "preflight.sh"
    script.write_text(recipe + _LAST)
    grep = shutil.which("busybox" if "busybox" in shell[0] else "grep")
    if grep is not None and programs.is_dir():
        (programs / "grep").symlink_to(grep)
    rights: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    ours, its = socket.socketpair()
    with ours, its:
        ended = subprocess.run(
            [*shell, str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=its.fileno(),
            env={"PATH": str(programs), "HOME": str(programs), **environ},
            timeout=120,
            check=False,
            **rights,
        )
        its.close()
        said = b""
        while piece := ours.recv(65536):
            said += piece
    return Pasted(ended.returncode, ended.stdout.decode(), said.decode())


def installed(programs: Path, body: str) -> Path:
    """A folder whose `ullage` is this."""
    programs.mkdir()
    program = programs / "ullage"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return programs


def this_program(folder: Path, room: Room, python: str = sys.executable, environ: Mapping[str, str] = {}) -> Path:
    words = shlex.join((python, "-m", "collectors"))
    where = shlex.join(("--docker-root", str(room.root), "--state", f"{folder}/state"))
    given = "".join(f"export {shlex.quote(f'{name}={value}')}; " for name, value in environ.items())
    return installed(folder / "bin", f'{given}cd {shlex.quote(str(ROOT))} && exec {words} "$@" {where}')


@contextmanager
def a_disk(percent: int) -> Iterator[Room]:
    """A Docker root on a disk of 8 MiB that is so full."""
    with tempfile.TemporaryDirectory(prefix="ullage-") as folder:
        command("mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", folder)
        try:
            room = Room.at(Path(folder))
            (Path(folder) / "other").write_bytes(bytes((8 << 20) * percent // 100))
            yield room
        finally:
            command("umount", folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a filesystem of 8 MiB: needs root")


@needs_root
def test_a_full_disk_with_an_engine_is_reported_and_the_script_goes_on(shell: tuple[str, ...], tmp_path: Path) -> None:
    with a_disk(92) as room, room.engine() as server:
        folders: Any = {"OPS_JOURNAL_ROOT": f"{tmp_path}/j", "OPS_VAULT_ROOT": f"{tmp_path}/v"}
        done = paste(shell, this_program(tmp_path, room), DOCKER_HOST=server.url, **folders)
    assert (done.status, done.sections[: len(SECTIONS)]) == (0, SECTIONS)
    assert (tmp_path / "v" / task_of("disk-full")).read_text().startswith("# ")
    assert done.sections[len(SECTIONS) :] == ("Docker Storage Reclaim",) * 2
    assert done.stdout.count("Mode: applied\n") == 2
    assert done.went_on == ["2", "93", "1", "P0"]
    assert "run finished" in done.stderr


@needs_root
def test_the_recipe_as_the_readme_prints_it_holds_without_an_engine(tmp_path: Path) -> None:
    with a_disk(84) as room:
        done = paste(
            shell_called("bash"),
            this_program(tmp_path, room),
            recipe=readme(),
            DOCKER_HOST=room.absent,
            OPS_JOURNAL_ROOT=f"{tmp_path}/j",
        )
    assert (done.status, done.sections[: len(SECTIONS)]) == (0, SECTIONS)
    assert (done.stdout.count("Mode: applied\n"), done.stdout.count("Mode: not run, less than 90% is used\n")) == (1, 1)
    assert done.went_on[:3] == ["2", "85", "3"]  # a known critical beats not knowing


@needs_root
@pytest.mark.skipif(not nobody_can_run(), reason="the user nobody may not read this checkout or its interpreter")
def test_another_user_without_rights_gets_the_report_and_the_script_goes_on() -> None:
    """By setuid: he may not ask the engine, write the journal, or open /dev/stderr."""
    with a_disk(92) as room, room.engine() as server, tempfile.TemporaryDirectory(prefix="ullage-") as folder:
        Path(folder).chmod(0o755)
        server.path.chmod(0o600)
        done = paste(
            shell_called("dash"),
            this_program(Path(folder), room, *anybodys_python()),
            user=NOBODY,
            DOCKER_HOST=server.url,
            OPS_JOURNAL_ROOT=f"{folder}/j",
        )
    assert (done.status, done.sections[: len(SECTIONS)]) == (0, SECTIONS)
    assert done.went_on == ["2", "93", "3", "P0"]
    assert "Traceback" not in done.stderr


@needs_root
def test_where_nothing_presses_nothing_is_removed_and_all_is_well(tmp_path: Path) -> None:
    with a_disk(40) as room, room.engine() as server:
        done = paste(shell_called("bash"), this_program(tmp_path, room), DOCKER_HOST=server.url)
        assert not [line for line in done.stdout.splitlines() if line == "Mode: applied"]
    assert (done.status, done.went_on[1:3]) == (0, ["41", "0"])


def test_what_is_unknown_is_never_0(shell: tuple[str, ...], tmp_path: Path) -> None:
    says = 'printf "## Docker Storage\\nDisk: unknown\\nSeverity: P2\\n"; exit 3'
    assert paste(shell, installed(tmp_path / "bin", says)).went_on == ["3", "unknown", "3", "P2"]


def test_a_program_that_is_not_installed_ends_no_script(shell: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = paste(shell, tmp_path / "bin")
    assert (done.status, done.went_on) == (0, ["127", "unknown", "127"])


def test_the_paste_is_short_and_the_readme_has_the_same() -> None:
    assert len(SUPERVISOR.splitlines()) <= 10
    assert readme() == SUPERVISOR
