"""What a machine must have before a lab can be put up, and what a test does where it has not.

Refuses to let a machine that ought to run these tests skip them in silence: where `CI` is set, or where the tests run
as root, whatever is missing is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.lab.client import docker_tool
from tests.lab.commands import tool

_PACKAGES = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "btrfs": "btrfs-progs",
    "compsize": "btrfs-compsize",
    "busybox": "busybox-static",
    "losetup": "mount",
    "mount": "mount",
    "umount": "mount",
    "unshare": "util-linux",
    "du": "coreutils",
    "sync": "coreutils",
}


def missing() -> list[str]:
    """What a lab lacks here, a sentence each; empty when one can be put up."""
    lacks = []
    if os.geteuid() != 0:
        lacks.append("not root")
    packages = {package for name, package in _PACKAGES.items() if tool(name) is None}
    if docker_tool() is None:
        packages.add("docker.io")
    if packages:
        lacks.append(f"packages: {' '.join(sorted(packages))}")
    if not Path("/dev/loop-control").exists():
        lacks.append("no loop devices (/dev/loop-control)")
    return lacks


def require_machine() -> None:
    """Skip the calling test with the reason, or fail it where it ought to run (`CI` set, or root)."""
    lacks = missing()
    if not lacks:
        return
    import pytest  # here only: putting a lab up by hand needs no test runner

    reason = f"a lab needs more than this machine has: {'; '.join(lacks)}"
    if os.environ.get("CI") or os.geteuid() == 0:
        pytest.fail(reason)
    pytest.skip(reason)
