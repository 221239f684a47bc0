"""`python -m tests.lab`: puts labs up and down by hand.

    python -m tests.lab up btrfs --mess everyday+leak
    python -m tests.lab list
    python -m tests.lab down 1a2b3c4d
    python -m tests.lab fetch 28.5

Refuses to take down what is not a lab of this machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import engines, fetch, messes, require, state, teardown
from tests.lab.disk import FILESYSTEMS
from tests.lab.lab import Lab


@dataclass
class _Arguments(argparse.Namespace):
    """What the command line may hold; a field is set only by the commands that have it."""

    command: str = ""
    driver: str = ""
    mess: str = ""
    engine: str = ""
    fs: str | None = None
    size_mib: int = 0
    devices: int = 0
    id: str | None = None
    all: bool = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="A private Docker engine with a mess.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="put a lab up and leave it running")
    up.add_argument("driver", choices=engines.DRIVERS)
    up.add_argument("--mess", default="everyday", help="see `messes`; join several with + (default: %(default)s)")
    up.add_argument("--engine", default="20.10", help="engine version (default: %(default)s)")
    up.add_argument("--fs", choices=FILESYSTEMS, help="default: btrfs for btrfs, ext4 for the others")
    up.add_argument("--size-mib", type=int, default=2048, help="of each device (default: %(default)s)")
    up.add_argument("--devices", type=int, default=1, help="btrfs: RAID1 over this many (default: %(default)s)")
    down = commands.add_parser("down", help="take a lab down, from whatever state it is in")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="as printed by `up` and `list`")
    which.add_argument("--all", action="store_true", help="every lab but those of test runs that still run")
    brought = commands.add_parser("fetch", help="bring an engine into the cache, from the mirror that apt uses")
    brought.add_argument("engine", choices=tuple(fetch.RECIPES))
    commands.add_parser("list", help="the labs there are")
    commands.add_parser("messes", help="the messes there are")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it says, 1 with the reason on stderr otherwise."""
    arguments = _parser().parse_args(argv, _Arguments())
    try:
        return _COMMANDS[arguments.command](arguments)
    except (ValueError, OSError, RuntimeError, subprocess.SubprocessError) as failure:
        print(f"lab: {failure}", file=sys.stderr)
    return 1


def _up(arguments: _Arguments) -> int:
    lacks = require.missing()
    if lacks:
        print(f"lab: {'; '.join(lacks)}", file=sys.stderr)
        return 1
    lab = Lab.up(
        driver=arguments.driver,
        fs=arguments.fs,
        mess=arguments.mess,
        engine=arguments.engine,
        size_mib=arguments.size_mib,
        devices=arguments.devices,
        keep=True,
    )
    print(f"Lab:         {lab.id}")
    print(f"Engine:      {lab.engine}, {lab.driver} on {lab.fs}, pid {lab.pid}")
    print(f"DOCKER_HOST: {lab.host}")
    print(f"Docker root: {lab.docker_root}")
    print(f"Mount:       {lab.mount} on {' '.join(lab.devices)}")
    print(f"Truth:       {lab.truth_file}")
    print(f"Down:        python -m tests.lab down {lab.id}")
    return 0


def _down(arguments: _Arguments) -> int:
    # A lab of a test run that is going on is not lying about: it goes by its id only.
    lying_about = (r for r in state.records() if r.owner is None or r.abandoned())
    named = (r for r in state.records() if r.id == arguments.id)
    chosen = list(lying_about if arguments.all else named)
    if not chosen and not arguments.all:
        raise ValueError(f"no such lab: {arguments.id}")
    for record in chosen:
        teardown.take_down(record)
        print(f"{record.id} is down")
    return 0


def _list(arguments: _Arguments) -> int:
    for record in state.records():
        owner = "stays" if record.owner is None else f"of process {record.owner.pid}"
        standing = "abandoned" if record.abandoned() else owner
        print(f"{record.id}  {record.described} ({standing})  {Path(record.base)}")
    return 0


def _messes(arguments: _Arguments) -> int:
    for name, line in messes.known().items():
        print(f"{name:14} {line}")
    return 0


def _fetch(arguments: _Arguments) -> int:
    print(fetch.fetch(arguments.engine))
    return 0


_COMMANDS = {"up": _up, "down": _down, "list": _list, "messes": _messes, "fetch": _fetch}


if __name__ == "__main__":
    sys.exit(main())
