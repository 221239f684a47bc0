"""Which version of the program this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def tool_version() -> str:
    """The installed version; "0+unknown" from a bare checkout."""
    try:
        return version("ullage")
    except PackageNotFoundError:
        return "0+unknown"
