"""What the engine does not know: a container with an empty configuration, a volume and files made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.messes._write import MIB, random_file
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = ("unknown-to-engine",)

LOST = "lost-1"


def make(lab: Lab) -> list[Planted]:
    """A full disk empties the file that the engine writes last; the rest is by hand, past the engine."""
    lab.client.base_image()
    script = "dd if=/dev/urandom of=/big bs=1M count=57 2>/dev/null; echo done"
    lab.docker("run", "--name", LOST, "base:1", "sh", "-c", script)
    container = lab.docker("inspect", "-f", "{{.Id}}", LOST).strip()
    lab.stop_engine()
    (lab.docker_root / "containers" / container / "config.v2.json").write_bytes(b"")
    lab.start_engine()
    root = lab.docker_root
    random_file(root / "volumes/handmade/_data/dump", 21 * MIB)
    random_file(root / "volumes.bak/old/_data/dump", 13 * MIB)
    random_file(root / "oops.tar", 9 * MIB)
    random_file(root / "volumes/loose.tar", 5 * MIB)
    by_hand = (
        ("volumes", "handmade", "volumes/handmade", 21 * MIB),
        ("docker_other", "volumes.bak", "volumes.bak", 13 * MIB),
        ("docker_other", "oops.tar", "oops.tar", 9 * MIB),
        ("docker_other", "volumes/loose.tar", "volumes/loose.tar", 5 * MIB),
    )
    return [
        Planted("containers", "container without a configuration", container, container, None, None, 57 * MIB),
        *(Planted(where, "made by hand", name, name, str(root / at), None, size) for where, name, at, size in by_hand),
    ]
