"""Takes a lab down from its record alone, so that it works as well for a lab whose maker was killed.

Processes first, since they hold the mounts; then mounts, loop devices, control groups, files. Each is known to be the
lab's: by pid and start, by the lab's folder, by its control group. Refuses to say "gone" about what is still there.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from tests.lab import disk, processes, state

_CGROUPS = Path("/sys/fs/cgroup")


class NotClean(RuntimeError):
    """Something of the lab is left; the message names it. The record stays, for another try."""


def cgroup_name(lab_id: str) -> str:
    """The control group under which all containers of a lab live."""
    return f"ullage-lab-{lab_id}"


def take_down(record: state.Record) -> None:
    """Remove every trace of a lab. Does nothing if it is already gone or being removed. Raises `NotClean`."""
    with state.claimed(record) as is_ours:
        if not is_ours or not record.path().exists():
            return
        base = Path(record.base)
        left = [f"process {process.pid}" for process in _end_processes(record, base)]
        sockets = _shim_sockets(base)
        left += disk.destroy(base)
        if left:
            raise NotClean(f"lab {record.id}: still there: {', '.join(left)}")
        for socket in sockets:
            socket.unlink(missing_ok=True)
        _remove_cgroups(cgroup_name(record.id))
        if base.exists():
            shutil.rmtree(base)
        record.path().unlink(missing_ok=True)


def sweep() -> list[str]:
    """Take down every lab whose owner is gone; gives back what could not be removed, a sentence each."""
    problems = []
    for record in state.records():
        if record.abandoned():
            try:
                take_down(record)
            except NotClean as problem:
                problems.append(str(problem))
    return problems


def _end_processes(record: state.Record, base: Path) -> set[processes.Process]:
    # Twice or more: a shim that dies lets go of children, and an engine may be starting a container just now.
    for _ in range(5):
        found = processes.of_lab(base, cgroup_name(record.id)) | {p for p in record.started if p.alive()}
        if not found:
            return set()
        processes.end(found)
    return processes.of_lab(base, cgroup_name(record.id))


def _shim_sockets(base: Path) -> list[Path]:
    """Sockets that containerd's shims keep outside the lab's folder; each shim's folder names its own."""
    found = []
    for address in base.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/address"):
        with suppress(OSError):
            path = Path(address.read_text().strip().removeprefix("unix://"))
            if path.parent == Path("/run/containerd/s"):
                found.append(path)
    return found


def _remove_cgroups(name: str) -> None:
    # Version 1 has one tree per controller, version 2 one in all.
    for root in {_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")}:
        if not root.is_dir():
            continue
        for group in sorted(root.rglob("*"), reverse=True):
            if group.is_dir():
                with suppress(OSError):
                    group.rmdir()
        with suppress(OSError):
            root.rmdir()
