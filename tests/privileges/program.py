"""The program where its own interpreter cannot be reached: the interpreter, the libraries and the checkout, by binds.

Everything is derived from the interpreter that runs the tests. Refuses copies: what runs is what is in the checkout.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = ("-m", "collectors")
ARGUMENTS = ("--preflight", "--no-journal", "--no-state")


def binds(below: str = "") -> dict[str, str]:
    """What has to be bound, each to a folder below `below`: the interpreter's prefix, its libraries, the checkout."""
    wanted = (sys.base_prefix, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(CHECKOUT))
    found: dict[str, str] = {}
    for path in dict.fromkeys(map(os.path.realpath, wanted)):
        if not any(path.startswith(f"{there}/") for there in found):
            found[path] = f"{below}{path}"
    return found


def command(below: str = "") -> tuple[str, ...]:
    """The words that start a report, where `binds(below)` are in place. Ends where arguments may follow."""
    return (f"{below}{interpreter()}", *MODULE, *ARGUMENTS)


def interpreter() -> str:
    """The interpreter itself, past the links of a virtual environment."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(Path(os.path.realpath(sys.base_prefix), "bin", name))


def environment(below: str = "") -> dict[str, str]:
    """The environment that the command needs, and nothing else."""
    libraries = dict.fromkeys(os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",  # no file of this machine's user may steer the report
        "PYTHONPATH": os.pathsep.join(f"{below}{path}" for path in (CHECKOUT, *libraries)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "LD_LIBRARY_PATH": f"{below}{os.path.realpath(sys.base_prefix)}/lib",
    }
