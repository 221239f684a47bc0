"""What is asked once more just before something is removed on disk: the store, the mounts, is the engine stopped?"""

from __future__ import annotations

import socket
from pathlib import Path

from collectors import drivers
from collectors.model.reading import Exact, Reading
from collectors.model.store import Store
from collectors.reclaim.context import Context
from collectors.reclaim.engine_session import EngineSession, NoAnswer
from collectors.system.host import Host
from collectors.system.mountinfo import mounts as mount_table

_PROOF_AT_MOST_S = 120.0
_CONTAINERD = "/var/lib/containerd"


def read_again(context: Context, engine: EngineSession, root: Path) -> Reading[Store]:
    """The store as it is this moment; with the engine stopped too."""
    own = context.host.here(_CONTAINERD)
    return drivers.store(
        root,
        context.host,
        driver_hint=_driver(engine),
        containerd_root=own if own.is_dir() else None,
        grace_s=context.grace_s,
        deadline_s=_PROOF_AT_MOST_S,
    )


def _driver(engine: EngineSession) -> str | None:
    try:
        body = engine.get("/info").body
    except NoAnswer:
        return None
    driver = body.get("Driver") if isinstance(body, dict) else None
    return driver if isinstance(driver, str) and driver else None


def mounted_inside(host: Host, path: str) -> str:
    """What is mounted at `path` or below, as a reason to leave it alone; "" for nothing."""
    mounts = mount_table(host, timeout_s=5.0)
    if not isinstance(mounts, Exact):
        return "the mount table could not be read"
    inside = [m.mountpoint for m in mounts.value if f"{m.mountpoint}/".startswith(f"{path}/")]
    return f"something is mounted at {inside[0]}" if inside else ""


def stopped(engine: EngineSession) -> bool:
    """Nobody listens on the engine's socket, or there is none: not merely silent."""
    path = engine.endpoint.socket
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False
