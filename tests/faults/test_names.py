"""Foreign names: whatever they hold, no output acts on them and no line of ours is forged by them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.recordings import recording
from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import preflight
from tests.hostile import NAME, check_journal, check_page, hidden_in

HOSTILE = f"{NAME}\x00"
NAMES = {"Names", "RepoTags", "Labels", "Command", "Cmd", "Image", "Name", "Description", "Mountpoint", "CreatedBy"}


def renamed(replies: Any) -> Any:
    """The same replies with hostile names, tags, labels and commands wherever an engine passes them on."""
    if isinstance(replies, dict):
        return {key: _hostile(one) if key in NAMES else renamed(one) for key, one in replies.items()}
    return [renamed(one) for one in replies] if isinstance(replies, list) else replies


def _hostile(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value}{HOSTILE}"
    if isinstance(value, list):
        return [_hostile(one) for one in value]
    return {f"{key}{HOSTILE}": _hostile(one) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.fault(19)
@pytest.mark.parametrize("form", ["text", "json", "openmetrics"])
def test_hostile_names_act_on_no_terminal_and_forge_no_line(form: str, room: Room, tmp_path: Path, told: Told) -> None:
    keys = ("df", "df_verbose", "images", "containers", "volumes", "inspect")
    name = "26.1.5-overlay2"
    typed = [key for key in recording(name) if key.startswith("df_type_")]
    changes = {key: renamed(recording(name)[key]) for key in (*keys, *typed)}
    (room.root / "volumes" / f"e{NAME.replace('/', '-')}"[:200]).mkdir()
    with room.engine(name=name, **changes) as server:
        words = ("--host", server.url, "--format", form, "--journal", tmp_path / "journal", "--vault", tmp_path / "v")
        ended = preflight(*words)
    told(f"{form}: no control character, no header or field but our own", ended)
    assert ended.status == 0
    assert hidden_in(ended.stdout) == set()
    assert hidden_in(ended.stderr) == set()
    if form == "text":
        check_page(ended.stdout)
        assert "gpj" not in ended.stdout.split("Escalation")[0][:200]
    if form == "openmetrics":
        assert ended.stdout.endswith("# EOF\n")
        assert all(re.match(r"(# (HELP|TYPE|UNIT|EOF)|ullage_[a-z_]+[ {])", line) for line in ended.stdout.splitlines())
    (journal,) = (tmp_path / "journal").glob("*.md")
    check_journal(journal.read_text(), 1)


@pytest.mark.fault(20)
def test_a_path_of_ten_thousand_characters_is_measured(room: Room, told: Told) -> None:
    """Deeper than any path that the kernel takes at once."""
    volume = room.root / "volumes" / "deep" / "_data"
    volume.mkdir(parents=True)
    folder = os.open(volume, os.O_RDONLY)
    for _ in range(50):
        os.mkdir("d" * 200, dir_fd=folder)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    file = os.open("data", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
    os.write(file, bytes(1 << 20))
    os.close(file)
    os.close(folder)
    ended = preflight("--host", room.absent, "--docker-root", room.root)
    walked = ended.coverage("bytes by holder")
    held = sum(row["bytes"] or 0 for row in ended.document["ledger"] if row["category"] in ("volumes", "docker_other"))
    told(f"its 1 MiB is counted; bytes by holder: {walked['outcome']}", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert walked["outcome"] == "read"
    assert held >= 1 << 20


@pytest.mark.fault(20)
@pytest.mark.parametrize("form", ["json", "text"])
def test_names_in_no_encoding_are_counted_and_shown_escaped(form: str, room: Room, tmp_path: Path, told: Told) -> None:
    for name in (b"\xff\xfe\x80", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf"):
        folder = os.fsencode(room.root / "volumes") + b"/" + name
        os.makedirs(folder + b"/_data")
        with open(folder + b"/_data/" + name, "wb") as file:
            file.write(bytes(300_000))
        with open(os.fsencode(room.root / "overlay2") + b"/" + name, "wb") as file:
            file.write(bytes(300_000))
    words = ("--host", room.absent, "--docker-root", room.root, "--journal", tmp_path / "journal", "--format", form)
    ended = preflight(*words)
    assert ended.status == 3
    assert hidden_in(ended.stdout) == hidden_in(ended.stderr) == set()
    (journal,) = (tmp_path / "journal").glob("*.md")
    check_journal(journal.read_text(), 1)
    if form == "json":
        held = sum(row["bytes"] or 0 for row in ended.document["ledger"])
        told("counted; every output is valid UTF-8", ended)
        assert held >= 8 * 300_000
        assert ended.coverage("bytes by holder")["outcome"] == "read"
    else:
        told("every output is valid UTF-8", ended)
        assert ended.stdout.startswith("## Docker Storage\n")
