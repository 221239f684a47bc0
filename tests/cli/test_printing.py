"""Completion and the manual: made from the parser, and taken by the programs that they are for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.cli import completion, main, manual
from collectors.cli.command_line import PRINTABLE, SHELLS, UNKNOWN, parser

_ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
asked=$(complete -p ullage); asked=${asked##*-F }
"${asked%% *}" ullage "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(tmp_path: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    script = tmp_path / "ullage.bash"
    script.write_text(completion("bash", parser("ullage")))
    asked = subprocess.run(
        ["bash", "-c", _ASK, "bash", script, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return set(asked.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ullage", "--pre"), {"--preflight"}),
        (("ullage", "--preflight", "--format", "j"), {"json"}),
        (("ullage", "--reclaim", "--tier", ""), {"safe", "careful", "destructive"}),
        (("ullage", "--print", "sup"), {"supervisor"}),
        (("ullage", "--print", "completion", "z"), {"zsh"}),
        (("ullage", "--config", "ull"), {"ullage.bash"}),
    ],
)
def test_bash_completes(words: tuple[str, ...], offered: set[str], tmp_path: Path) -> None:
    assert completed(tmp_path, *words) == offered


def test_bash_offers_every_option(tmp_path: Path) -> None:
    import argparse

    options = {o for a in parser("ullage")._actions if a.help != argparse.SUPPRESS for o in a.option_strings}
    assert {one for one in options if one.startswith("--")} <= completed(tmp_path, "ullage", "--")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell_is_printed_and_taken(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--print", "completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert "preflight" in script.read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True)


def test_the_manual_has_every_option_and_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print", "man"]) == 0
    page = capsys.readouterr().out.replace("\\-", "-")
    assert page.startswith(".TH ULLAGE")
    assert "exit status: 0 well" in page
    for action in parser("ullage")._actions:
        assert action.option_strings[-1] in page or action.dest in ("help", "as_probe")
    assert "python" not in manual(parser("ullage")).splitlines()[0].lower()


@pytest.mark.parametrize("words", [["bash"], ["completion"], ["completion", "ksh"], ["schema", "bash"], []])
def test_what_cannot_be_printed_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print", *words]) == UNKNOWN
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", [what for what in PRINTABLE if what != "completion"])
def test_each_thing_is_printed(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print", what]) == 0
    assert capsys.readouterr().out.endswith("\n")


def test_without_its_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print", "completion", "bash"]) == UNKNOWN
    assert "pip install 'ullage[shell]'" in capsys.readouterr().err
