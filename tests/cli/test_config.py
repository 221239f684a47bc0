"""The configuration file: what cannot be used is refused in one sentence, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.cli import command_line


@pytest.mark.parametrize(
    "text",
    [
        "[thresholds]\nlog_bytes = inf\n",
        "[thresholds]\np1_percent = nan\n",
        "[thresholds]\np1_percent = -1\n",
        "[thresholds]\np1_percent = true\n",
        "[keep]\nlog_bytes = inf\n",
        "[keep]\nimage_age_s = nan\n",
        f"[keep]\nimage_age_s = 0x{'f' * 400}\n",
        f"[keep]\nlog_bytes = {'9' * 5000}\n",
        "a = " + "[" * 5000,
        "a = " + "{a=" * 5000,
        "[thresholds",
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ullage.toml"
    file.write_text(text)
    with pytest.raises(command_line.BadConfig, match=str(file)):
        command_line.load(str(file))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "ullage.toml"
    file.write_bytes(b"# \xff\xfe\n")
    with pytest.raises(command_line.BadConfig, match=str(file)):
        command_line.load(str(file))
