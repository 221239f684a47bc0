"""Recorded engine replies (tests/bytes/engine) by engine and key."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "bytes" / "engine"

NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@functools.cache
def recording(name: str) -> Mapping[str, Any]:
    """All replies of one engine; references to equal replies are resolved."""
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    for key, value in found.items():
        if isinstance(value, dict) and "_same_as" in value:
            found[key] = found[value["_same_as"]]
    return found


def body(name: str, key: str) -> bytes:
    """One reply as it went over the wire."""
    return json.dumps(recording(name)[key]).encode()
