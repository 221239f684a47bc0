"""What the engine's configuration file says about growth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """daemon.json, as far as disks are concerned. False is "not set": the engine's own default applies then."""

    path: str
    logs_bounded: bool  # log-opts max-size, or a driver that rotates by itself
    build_cache_bounded: bool  # builder.gc with a size, or defaultKeepStorage
