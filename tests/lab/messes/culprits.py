"""Disk full, no visible culprit: everything that `docker system df` does not show, one of each.

Planted by hand where Docker itself would need an accident, in the shape that the accident leaves. Refuses what needs
btrfs (`snapshots`, `chain`, `metadata_full`) and leaked layers (`leak`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.lab import describe, layout, measure
from tests.lab.commands import run
from tests.lab.messes._write import KIB, MIB, age, hold, random_file, until_asleep
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "logs-unbounded",
    "deleted-open",
    "bind-mounts",
    "container-core-dumps",
    "interrupted-writes",
    "engine-tmp",
    "other-driver",
    "plugin-data",
    "builder-volumes",
    "journald",
    "hidden-below-mount",
)

_LOG_LINES_COUNT = 40_000
_HELD_BY_CONTAINER_BYTES = 14 * MIB
_HELD_BY_HOST_BYTES = 18 * MIB


def make(lab: Lab) -> list[Planted]:
    """Each group of causes in turn; the numbers in the notes are those of the list of causes."""
    lab.client.base_image()
    planted = [*_containers(lab), *_leftovers(lab), *_other_stores(lab), *_others(lab), *_held_by_host(lab)]
    _container_builder(lab)
    lab.docker("volume", "create", "buildx_buildkit_builder0_state")
    random_file(lab.docker_root / "volumes/buildx_buildkit_builder0_state/_data/cache", 4 * MIB)
    planted.append(_under_a_mount(lab))
    return planted


def _containers(lab: Lab) -> list[Planted]:
    """1: a log without rotation. 6: a deleted file held open. 12: anonymous volume. 22: bind mount. 24: core dump."""
    line = "x" * 500
    log = f"yes {line} | head -n {_LOG_LINES_COUNT}; "
    lab.client.run("base:1", "noisy-1", f"{log} exec sleep 100000", "--log-driver", "json-file")
    # It writes once: restarted, it holds nothing any more.
    write = f"exec 3>/tmp/held; head -c {_HELD_BY_CONTAINER_BYTES} /dev/urandom >&3; rm /tmp/held; touch /tmp/wrote"
    held = f"test -e /tmp/wrote || {{ {write}; }}; exec sleep 100000"
    holder = lab.client.run("base:1", "holder-1", held)
    shared = random_file(lab.mount / "srv/shared/data", 11 * MIB)
    lab.client.run("base:1", "binder-1", "exec sleep 100000", "-v", f"{shared.parent}:/data")
    crash = f"head -c {6 * MIB} /dev/urandom > /core.4711; exit 139"
    dumper = lab.client.run("base:1", "dumper-1", crash, "-v", "/scratch")
    lab.docker("wait", "dumper-1")
    until_asleep(lab, "noisy-1", "holder-1", "binder-1")
    measure.flush(lab.mount)
    folder = layout.owned(lab.docker_root, lab.driver, lab.socket).containers[dumper][0]
    core = next(path for path in folder.glob("**/core.4711"))
    pid = int(lab.docker("inspect", "--format", "{{.State.Pid}}", holder))
    return [
        _open_file("container holder-1", holder, _HELD_BY_CONTAINER_BYTES, "cause 6; in a container", pid),
        describe.placed(lab, "other_files", "bind mount", shared.parent, note="cause 22; binder-1, at /data"),
        describe.placed(lab, "containers", "core dump", core, note="cause 24; dumper-1"),
    ]


def _container_builder(lab: Lab) -> None:
    """8: a builder in a container, with its cache in a volume."""
    volume = "buildx_buildkit_shop0_state"
    script = f"head -c {5 * MIB} /dev/urandom > /var/lib/buildkit/cache; exec sleep 100000"
    lab.client.run("base:1", "buildx_buildkit_shop0", script, "-v", f"{volume}:/var/lib/buildkit")
    until_asleep(lab, "buildx_buildkit_shop0")


def _open_file(name: str, id: str, size_bytes: int, note: str, pid: int) -> Planted:
    return Planted("deleted_open", "open file", name, id, None, size_bytes, size_bytes, note, held_by_pid=pid)


def _held_by_host(lab: Lab) -> list[Planted]:
    script = f"exec 3>held; head -c {_HELD_BY_HOST_BYTES} /dev/urandom >&3; rm held; exec sleep 100000"
    pid = hold(lab, script, lab.mount)
    return [_open_file("sleep", str(pid), _HELD_BY_HOST_BYTES, "cause 6; on the host", pid)]


def _leftovers(lab: Lab) -> list[Planted]:
    """4: interrupted writes. 5: temporary files of pulls and builds, old ones, and one that is in use."""
    temporary = lab.docker_root / "tmp"
    old = [
        random_file(temporary / "GetImageBlob123456789", 9 * MIB),
        random_file(temporary / "docker-builder987654321/context/file", 7 * MIB).parents[1],
    ]
    fresh = random_file(temporary / "GetImageBlob555555555", 2 * MIB)
    hold(lab, f"exec 3<{fresh}; exec sleep 100000", temporary)
    measure.flush(lab.mount)
    planted = [
        *(describe.placed(lab, "docker_other", "temporary file", age(path), note="cause 5") for path in old),
        describe.placed(lab, "docker_other", "temporary file in use", fresh, note="no leftover: a process reads it"),
    ]
    if lab.driver != "containerd":
        written = lab.docker_root / "image" / lab.driver / "layerdb/tmp/write-set-123456789"
        random_file(written / "tar-split.json.gz", 300 * KIB)
        measure.flush(lab.mount)
        planted.append(describe.placed(lab, "docker_other", "interrupted write", age(written), note="cause 4"))
        removing = written.parents[1] / "sha256" / f"{secrets.token_hex(32)}-1234567890-removing"
        random_file(removing / "tar-split.json.gz", 200 * KIB)
        measure.flush(lab.mount)
        planted.append(describe.placed(lab, "docker_other", "interrupted removal", age(removing), note="cause 4"))
    return planted


def _other_stores(lab: Lab) -> list[Planted]:
    """11: layers of a driver that is no longer used. 13: a plugin that writes its log into its own root."""
    former = "vfs/dir" if lab.driver != "vfs" else "overlay2"
    layer = lab.docker_root / former / secrets.token_hex(32)
    random_file(layer / "bin/tool", 10 * MIB)
    plugin = lab.docker_root / "plugins" / secrets.token_hex(32)
    random_file(plugin / "rootfs/var/log/plugin.log", 8 * MIB)
    measure.flush(lab.mount)
    return [
        describe.placed(lab, "docker_other", "former driver", age(layer).parents[former.count("/")], note="cause 11"),
        describe.placed(lab, "docker_other", "plugin", plugin, note="cause 13"),
    ]


def _others(lab: Lab) -> list[Planted]:
    """18, 25: a big file, a sparse one, a journal."""
    backup = random_file(lab.mount / "backup/database.dump", 48 * MIB)
    sparse = random_file(lab.mount / "machines/disk.img", MIB)
    with sparse.open("r+b") as file:
        file.truncate(1024 * MIB)
    journal = random_file(lab.mount / "log/journal" / secrets.token_hex(16) / "system.journal", 8 * MIB)
    twin = lab.mount / "backup/same.dump"
    twin.hardlink_to(backup)
    measure.flush(lab.mount)
    return [
        describe.placed(lab, "other_files", "big file", backup, note="has a second name, same.dump"),
        describe.placed(lab, "other_files", "sparse file", sparse, note="1 MiB of 1 GiB is written"),
        describe.placed(lab, "other_files", "journal", journal, note="cause 25"),
    ]


def _under_a_mount(lab: Lab) -> Planted:
    """23: data that a later mount hides."""
    point = lab.mount / "attached"
    random_file(point / "written-before", 13 * MIB)
    measure.flush(lab.mount)
    planted = describe.placed(lab, "other_files", "hidden under a mount", point, note="cause 23; a tmpfs lies over it")
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", point)
    return planted
