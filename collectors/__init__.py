"""Collects, accounts for and explains the disk use of a Docker host. Knows no terminal toolkit."""

from __future__ import annotations

# Read by the build too. Asking the installed package for it takes longer than everything else that --version does.
__version__ = "0.1.0"


def tool_version() -> str:
    """The version of this program."""
    return __version__
