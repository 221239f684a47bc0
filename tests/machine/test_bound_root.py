"""A Docker root inside a larger filesystem and bound over itself, as dockerd does where the mount is not shared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.running import preflight
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1 << 20


@pytest.mark.parametrize(("driver", "fs"), [("overlay2", "ext4"), ("btrfs", "btrfs")])
def test_what_lies_beside_the_docker_root_is_still_explained(driver: str, fs: str) -> None:
    require_machine()
    with Lab.up(driver=driver, fs=fs, mess="everyday") as lab:
        beside = Path(lab.mount) / "srv" / "film"
        beside.parent.mkdir()
        beside.write_bytes(os.urandom(40 * MIB))
        run("sync", "-f", beside)
        run("mount", "--bind", lab.docker_root, lab.docker_root)
        try:
            ended = preflight("--host", lab.host, deadline_s=30.0)
        finally:
            run("umount", lab.docker_root)
    document, rows = ended.document, ended.rows()
    unexplained = abs(rows["unattributed"]["bytes"])
    assert unexplained <= 0.01 * document["filesystem"]["used_bytes"], rows
    assert rows["other_files"]["bytes"] >= 40 * MIB
    assert "/srv" in str([item["name"] for item in document["items"]["other_files"]])
