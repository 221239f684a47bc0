"""Does the engine run on this machine, with the directories that we would read? Refuses to believe it without a proof.

A unix socket proves nothing: it may be forwarded from another machine, or belong to an engine inside a container. In
this order:

1. `<root>/engine-id` holds the id that /info gives: it is (another id: it is not, whatever else looks alike);
2. the process behind the socket sees, under its own root directory, the very directory that we see (same device and
   inode);
3. weaker, where that process may not be looked into: it is in our own process namespace, and the root exists here;
4. we are inside a container that the engine lists: the same kernel runs both.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.model.engine import Engine
from collectors.model.owner import ContainerId
from collectors.model.reading import Why
from collectors.system.deadline import Declined
from collectors.system.host import Host
from collectors.system.statvfs import must_answer

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_CONNECT_S = 1.0
_OWN_ID = re.compile(r"/([0-9a-f]{64})(?:/userdata)?/hostname\Z")
_ID_BYTES = 4096


def is_local(endpoint: Endpoint, host: Host, engine: Engine, listed: Callable[[], Collection[ContainerId]]) -> bool:
    """True if proven; False for an engine across the network. Raises Declined where neither can be told.

    `listed` gives the ids of the engine's containers; it is only called if nothing else decides.
    """
    if endpoint.remote:
        return False
    root = host.docker_root or host.here(engine.root)
    with suppress(OSError):
        must_answer(root, timeout_s=_CONNECT_S)
    if _same_id(root, engine) or (endpoint.socket is not None and _same_machine(endpoint.socket, host, engine, root)):
        return True
    own = own_container(host)
    if own is not None and own in listed():
        return True
    raise Declined(
        Why.NOT_REACHABLE,
        f"nothing proves that the engine's {engine.root} is {root} here: engine-id cannot be read, its process is not"
        f" visible, and {'this is none of its containers' if own is None else f'it does not list container {own}'}",
    )


def own_container(host: Host) -> ContainerId | None:
    """The container that this process runs in, by the source of its /etc/hostname; None outside of any."""
    try:
        lines = (host.proc / "self" / "mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] == "/etc/hostname" and (found := _OWN_ID.search(fields[3])):
            return ContainerId(found[1])
    return None


def _same_id(root: Path, engine: Engine) -> bool:
    path = root / "engine-id"
    try:
        with path.open("rb") as file:
            there = file.read(_ID_BYTES).decode("utf-8", "replace").strip()
    except OSError:  # Podman and Docker before 23 keep none; without privileges it cannot be read
        return False
    if there and engine.id and there != engine.id:
        raise Declined(Why.INCONSISTENT, f"{root} belongs to another engine: its engine-id is not that of /info")
    return bool(there) and there == engine.id


def _same_machine(path: str, host: Host, engine: Engine, root: Path) -> bool:
    pid = _process_behind(path)
    if pid <= 0:  # in a process namespace that we do not see
        return False
    try:
        ours = root.stat()
    except OSError:
        return False
    process = host.proc / str(pid)
    try:
        theirs = (process / "root" / engine.root.lstrip("/")).stat()
    except PermissionError:
        return _in_our_namespace(process)
    except OSError:
        return False
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
        raise Declined(Why.INCONSISTENT, f"the engine's {engine.root} is another directory than {root} here")
    return True


def _process_behind(path: str) -> int:
    """The process that listens on a unix socket; 0 if it is in a namespace that we do not see, or cannot be asked."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_CONNECT_S)
            line.connect(path)
            pid, _, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    except (OSError, struct.error):
        return 0
    return int(pid)


def _in_our_namespace(process: Path) -> bool:
    """Has the process one number only? One inside a container has a second, in the container's own namespace."""
    try:
        status = (process / "status").read_text("utf-8", "replace")
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) == 1
