"""Project quotas on a kernel that enforces them: user-mode Linux, since the machine's own often cannot.

It sees this machine's files (hostfs), has disks of its own, and runs the collectors on them: what they say is compared
with `xfs_quota`, and with the write that the kernel then refuses.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1 << 20
LIMIT, WRITTEN = 40 * MIB, 38 * MIB
# As process 1: no other is needed, and it switches the machine off when it ends.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /mnt
for module in quota_tree quota_v2; do
    busybox insmod {modules}/$(uname -r)/kernel/fs/quota/$module.ko
done
mkdir /mnt/disk
mount -o {option} /dev/ubda /mnt/disk &&
    cd {here} && {python} -m tests.machine.test_project_quotas >{folder}/said.json
busybox poweroff -f
"""


def inside() -> None:
    """In that machine: make limited directories, ask, and write until the kernel refuses."""
    import errno
    import os

    from collectors.filesystems.limits_and_reflinks import project_quotas
    from collectors.model import UnitId
    from collectors.model.reading import Exact
    from collectors.model.store import Unit, UnitKind
    from collectors.system.deadline import this_host
    from collectors.system.mount_table import filesystem_of
    from collectors.system.mountinfo import mounts

    top = Path("/mnt/disk")
    for number, name in enumerate(("limited", "counted", "free")):
        (top / name).mkdir()
        if name != "free":
            subprocess.run(["chattr", "-p", str(77 + number), "+P", top / name], check=True)
    limits = f"limit -p bhard={LIMIT} 77"
    subprocess.run(["xfs_quota", "-f", "-x", "-c", limits, top], check=True, stdout=sys.stderr)
    (top / "limited/file").write_bytes(os.urandom(WRITTEN))
    (top / "counted/file").write_bytes(os.urandom(MIB))
    os.sync()
    table = mounts(this_host(), timeout_s=5)
    assert isinstance(table, Exact), table
    mount = filesystem_of(top, table.value)
    assert mount is not None
    units = [
        Unit(UnitId(name), UnitKind.VOLUME, str(top / name), name, frozenset(), False, None)
        for name in ("limited", "counted", "free")
    ]
    found = project_quotas(mount, units)
    assert isinstance(found, Exact), found
    report = subprocess.run(
        ["xfs_quota", "-f", "-x", "-c", "report -p -b -n -N", top], check=True, capture_output=True, text=True
    ).stdout
    room: int = 0
    refused: int | None = None
    (top / "limited").chmod(0o777)
    os.seteuid(65534)  # ext4 lets whoever has CAP_SYS_RESOURCE write on, which no container has by default
    with (top / "limited/more").open("wb", buffering=0) as file:
        try:
            while room < LIMIT:
                room += file.write(os.urandom(65536)) or 0
        except OSError as error:
            refused = error.errno
    print(
        json.dumps(
            {
                "said": [[one.unit, one.limit_bytes, one.used_bytes] for one in found.value],
                "report": report,
                "room": room,
                "refused": errno.errorcode[refused] if refused else "",
            }
        )
    )


@pytest.mark.parametrize(
    ("mkfs", "option"),
    [
        (("mkfs.xfs", "-q", "-f"), "prjquota"),
        (("mkfs.ext4", "-q", "-F", "-O", "project,quota", "-E", "quotatype=prjquota"), "prjquota"),
    ],
    ids=["xfs", "ext4"],
)
def test_what_a_project_may_take_and_takes_is_what_the_kernel_then_enforces(
    mkfs: tuple[str, ...], option: str, tmp_path: Path
) -> None:
    require_machine()
    linux = shutil.which("linux.uml")
    if linux is None:
        pytest.skip("no user-mode Linux (Debian's user-mode-linux) whose kernel has project quotas")
    said = told(linux, mkfs, option, tmp_path)
    assert said["refused"] == ("ENOSPC" if mkfs[0] == "mkfs.xfs" else "EDQUOT")
    ((unit, limit, used),) = said["said"]
    (row,) = [line.split() for line in said["report"].splitlines() if line.startswith("#77")]
    assert (unit, limit, used) == ("limited", int(row[3]) * 1024, int(row[1]) * 1024)
    assert (limit, WRITTEN <= used <= WRITTEN + MIB // 4) == (LIMIT, True)
    assert abs(limit - used - said["room"]) <= 128 << 10


def told(linux: str, mkfs: tuple[str, ...], option: str, folder: Path) -> dict[str, Any]:
    """What the machine inside wrote before it ended."""
    image, init = folder / "disk.img", folder / "init"
    with image.open("wb") as file:
        file.truncate(320 * MIB)
    subprocess.run([*mkfs, image], check=True)
    here = Path(__file__).parents[2]
    modules = Path(linux).resolve().parents[1] / "lib/uml/modules"
    init.write_text(INIT.format(option=option, here=here, python=sys.executable, folder=folder, modules=modules))
    init.chmod(0o755)
    words = [linux, "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "quiet"]
    words += [f"ubd0={image}", f"init={init}", "con=null", "con0=null,fd:1"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    answer = folder / "said.json"
    assert answer.exists(), ended.stdout[-4000:]
    assert answer.stat().st_size, ended.stdout[-4000:]
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


if __name__ == "__main__":
    inside()
