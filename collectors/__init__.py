"""Collects, accounts for and explains the disk use of a Docker host. Knows no terminal toolkit."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def tool_version() -> str:
    """The installed version; "0+unknown" from a bare checkout."""
    try:
        return version("ullage")
    except PackageNotFoundError:
        return "0+unknown"
