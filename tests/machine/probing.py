"""One probe container on a real engine as a test can catch it: who starts it, when it appears, what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.lab import Lab
from tests.lab.engine import get
from tests.privileges import image
from tests.privileges.places import PLACES

LABELLED = quote(json.dumps({"label": ["ullage.probe=true"]}))
_GROUP = next(place for place in PLACES if place.key == "docker-group")


def blind(lab: Lab, *arguments: str) -> tuple[str, ...]:
    """The command line of a user on the host who may use the socket and cannot enter the Docker root."""
    return (*_GROUP.words(lab), f"--probe-container={image.IMAGE}", "--format", "json", *arguments)


def start(words: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )


def document(words: tuple[str, ...]) -> dict[str, Any]:
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert "Traceback" not in ended.stderr, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert found["exit_status"] == ended.returncode
    return found


def line(found: dict[str, Any]) -> dict[str, Any]:
    """The coverage of the probe."""
    row: dict[str, Any] = next(row for row in found["coverage"] if row["source"] == "probe container")
    return row


def there(lab: Lab) -> list[dict[str, Any]]:
    """The probe containers that the engine lists, whatever their state."""
    listed: list[dict[str, Any]] = get(lab.socket, f"/v1.41/containers/json?all=1&filters={LABELLED}")
    return listed


@contextmanager
def caught(words: tuple[str, ...], lab: Lab) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The program as it waits for its probe, which is stopped in its tracks; the probe's inspection.

    Leaving the block lets the probe go on, where it still is, and ends the program.
    """
    process = start(words)
    paused = ""
    try:
        paused = _paused(lab, time.monotonic() + 30)
        found: dict[str, Any] = get(lab.socket, f"/v1.41/containers/{paused}/json")
        yield process, found
    finally:
        go_on(lab, paused)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert gone(lab, 70)  # by itself: the next test must not catch this one


def _paused(lab: Lab, until: float) -> str:
    while time.monotonic() < until:
        for one in there(lab):
            if one["State"] == "running":
                lab.docker("pause", one["Id"])
                return str(one["Id"])
        time.sleep(0.005)
    raise TimeoutError("no probe container was started")


def go_on(lab: Lab, probe: str) -> None:
    """Where it is still there and paused. A frozen process would outlive its lab."""
    if any(one["Id"] == probe and one["State"] == "paused" for one in there(lab)):
        lab.docker("unpause", probe)


def gone(lab: Lab, within_s: float) -> bool:
    """Is none left, in time?"""
    ends_at = time.monotonic() + within_s
    while there(lab):
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.05)
    return True


@dataclass(frozen=True)
class Trace:
    """What the engine's own log of events tells of the probes since a moment."""

    ids: frozenset[str]
    destroyed: frozenset[str]


def layers_of(lab: Lab) -> frozenset[str]:
    """The directories of the driver."""
    folder = "overlay2" if lab.driver == "overlay2" else "btrfs/subvolumes"
    return frozenset(os.listdir(lab.docker_root / folder))


def trace(lab: Lab, since_s: float) -> Trace:
    """All probes from `since_s` (seconds since the epoch) on."""
    words = ("events", "--since", f"{since_s:.3f}", "--until", f"{time.time():.3f}")
    told = lab.docker(
        *words, "--filter", "label=ullage.probe=true", "--format", "{{.Action}} {{.Actor.ID}}"
    ).splitlines()
    by_action = [tuple(one.split()[:2]) for one in told]
    return Trace(
        frozenset(identity for action, identity in by_action if action == "create"),
        frozenset(identity for action, identity in by_action if action == "destroy"),
    )


def configured(lab: Lab, **thresholds: float) -> Path:
    """A configuration file that anybody may read."""
    path = lab.base / "ullage.toml"
    path.write_text("[thresholds]\n" + "".join(f"{name} = {value}\n" for name, value in thresholds.items()))
    path.chmod(0o644)
    return path
