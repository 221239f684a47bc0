"""What the machine says of this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.system.deadline import reads_every_file

EVERYBODY = "         0          0 4294967295\n"


@pytest.mark.parametrize(
    ("capabilities", "users", "reads"),
    [
        ("000001ffffffffff", EVERYBODY, True),
        ("0000000000000004", EVERYBODY, True),
        ("0000000000000002", EVERYBODY, True),
        ("0000000000200001", EVERYBODY, False),
        ("0000000000000000", EVERYBODY, False),
        ("000001ffffffffff", "         0       1000          1\n         1     100000      65536\n", False),
        ("000001ffffffffff", "", False),
        ("", EVERYBODY, False),
        ("many", EVERYBODY, False),
    ],
)
def test_only_the_capability_over_all_users_reads_every_file(
    tmp_path: Path, capabilities: str, users: str, reads: bool
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text(f"Name:\tullage\nCapPrm:\t0\nCapEff:\t{capabilities}\nSeccomp:\t0\n")
    (tmp_path / "self" / "uid_map").write_text(users)
    assert reads_every_file(tmp_path) is reads


def test_a_process_that_is_told_nothing_of_itself_reads_what_it_may(tmp_path: Path) -> None:
    assert reads_every_file(tmp_path) is False
