"""Configuration: flag > environment > the user's file > /etc. Refuses unknown keys, naming them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from collectors.model.records import dataclass
from collectors.model.settings import DEFAULTS, MOST, Settings, Thresholds, from_table
from collectors.system.folders import config_files


class BadConfig(ValueError):
    """A file that cannot be used, with the reason."""


@dataclass(frozen=True, slots=True)
class Config:
    """`source` is the file it came from, "" for the defaults."""

    source: str
    settings: Settings


def load(flag: str | None) -> Config:
    """The first configuration that exists; a file that was named and is missing is an error."""
    named = flag or os.environ.get("ULLAGE_CONFIG")
    candidates = (Path(named),) if named else config_files()
    for path in candidates:
        try:
            return _read(path)
        except FileNotFoundError:
            if named:
                raise BadConfig(f"{path}: no such file") from None
        except OSError as error:
            # A home that may not be searched (ProtectHome=, another user's) is no reason to look at nothing.
            if named or os.path.lexists(path):
                raise BadConfig(f"{path}: {error.strerror}") from None
    return Config("", DEFAULTS)


def _read(path: Path) -> Config:
    text = path.read_bytes()
    import tomllib  # here, because most hosts have no configuration

    try:
        table = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number too long, nested too deep
        raise BadConfig(f"{path}: {error}") from None
    unknown = sorted(set(table) - {"thresholds", "keep"})
    if unknown:
        raise BadConfig(f"{path}: no such section: {', '.join(unknown)}")
    try:
        settings = Settings(_thresholds(table.get("thresholds", {})), from_table(table.get("keep", {})))
    except ValueError as error:
        raise BadConfig(f"{path}: {error}") from None
    return Config(str(path), settings)


def _thresholds(table: Mapping[str, Any]) -> Thresholds:
    known = {field.name for field in fields(Thresholds)}
    defaults = DEFAULTS.thresholds
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"thresholds.{key}: no such threshold; there are {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
            raise ValueError(f"thresholds.{key}: a number from 0, not {value!r}")
    return Thresholds(**{key: type(getattr(defaults, key))(value) for key, value in table.items()})
