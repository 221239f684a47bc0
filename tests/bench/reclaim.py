"""Predicted against measured freed bytes of the whole plan, for every mess and driver, as a Markdown table.

    python -m tests.bench.reclaim --write             every pair that exists here, into tests/bench/reclaim.md
    python -m tests.bench.reclaim btrfs --mess leak   some of them, to look at
    python -m tests.bench.reclaim --write --mess leak some of them, put into the table where they belong

The whole plan: every step at every tier, those that only a person may do by the command that the plan prints; left out
is what takes judgement (`reclaim_run`). `data` is what btrfs counts as data bytes: a prediction's are to be
exact; its tree blocks are in `used` alone, and go but for what the trees that stay keep. Exit status 1 where a measured
figure is off by more than 1 % and more than 1 MiB, on btrfs by a byte of data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.model.reading import AtLeast, Between, Exact, Size, floor
from collectors.report.formatting import bytes_
from tests.bench.reclaim_run import Whole, whole_plan
from tests.bench.table import merged
from tests.lab import Lab, messes
from tests.lab.engines import NoSuchEngine
from tests.lab.require import missing

MIB = 1 << 20
SETUPS = (
    ("overlay2", "20.10"),
    ("btrfs", "20.10"),
    ("vfs", "20.10"),
    ("overlay2", "28.5"),
    ("btrfs", "28.5"),
    ("containerd", "26.1"),
    ("containerd", "28.5"),
)
_SIZE_MIB = 3072
_SIZES = {"metadata_full": 2048}  # it has to be filled first
_COLUMNS = (
    *("mess", "driver", "engine", "steps"),
    *("predicted", "engine says", "measured", "data", "own files", "off by", ""),
)
_FILE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Line:
    """One mess on one engine."""

    mess: str
    driver: str
    engine: str
    outcome: Whole | None
    trouble: str

    @property
    def measured(self) -> int | None:
        """The figure that the prediction is about: data bytes on btrfs, all of `used` elsewhere."""
        if self.outcome is None:
            return None
        data = _value(self.outcome.measured_data)
        return data if data is not None else _value(self.outcome.measured)

    @property
    def off_bytes(self) -> int | None:
        """Measured, without what the engine's own files gave back or took, less predicted."""
        if self.outcome is None or self.measured is None:
            return None
        trees = self.outcome.predicted_trees if isinstance(self.outcome.measured_data, Exact) else 0
        return self.measured - self.outcome.own_bytes - (floor(self.outcome.predicted) - trees)

    @property
    def good(self) -> bool:
        """A step done in part promises a lower bound: then only too little is wrong."""
        off = self.off_bytes
        if off is None or self.outcome is None:
            return False
        exact = isinstance(self.outcome.measured_data, Exact)
        allowed = 0 if exact else max(MIB, floor(self.outcome.predicted) // 100)
        return -allowed <= off and (off <= allowed or not isinstance(self.outcome.predicted, Exact))


def run(mess: str, driver: str, engine: str) -> Line | None:
    """Bring the mess up, make the plan, run all of it. None where there is no such mess for this driver."""
    try:
        with (
            Lab.up(driver=driver, engine=engine, mess=mess, size_mib=_SIZES.get(mess, _SIZE_MIB)) as lab,
            tempfile.TemporaryDirectory(prefix="ullage-bench-") as state,
        ):
            return Line(mess, driver, engine, whole_plan(lab, Path(state)), "")
    except (NoSuchEngine, ValueError):
        return None
    except Exception as error:  # noqa: BLE001 - one that breaks must not take the table along; it shows in it
        return Line(mess, driver, engine, None, f"{type(error).__name__}: {error}")


def table(lines: Iterable[Line]) -> str:
    """Markdown."""
    rows = [_COLUMNS, tuple("---" for _ in _COLUMNS), *(_row(line) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(line: Line) -> tuple[str, ...]:
    head = (line.mess, line.driver, line.engine)
    outcome = line.outcome
    if outcome is None:
        return (*head, *("" for _ in _COLUMNS[4:]), line.trouble[:80])
    off = line.off_bytes
    return (
        *head,
        str(len(outcome.steps)),
        _words(outcome.predicted),
        _words(outcome.engine_reported),
        _words(outcome.measured),
        _words(outcome.measured_data),
        f"{outcome.own_bytes:+,} B",
        "?" if off is None else f"{off:+,} B",
        f"{'ok' if line.good else 'NOT ok'}{_unfinished(outcome)}",
    )


def _unfinished(outcome: Whole) -> str:
    """What stays, and what was freed that is not data."""
    left = [f"{t.target.kind}: {t.reason}" for r in outcome.steps for t in r.targets if not t.removed]
    metadata = [r.predicted.best for r in outcome.steps if isinstance(r.predicted, Between) and r.removed]
    said = f"; of metadata about {bytes_(sum(metadata))} predicted" if metadata else ""
    return said + (f"; {len(left)} left: {left[0][:70]}" if left else "")


def _words(size: Size) -> str:
    match size:
        case Exact(value=value):
            return bytes_(value)
        case AtLeast(low=low):
            return f"≥ {bytes_(low)}"
        case _:
            return ""


def _value(size: Size) -> int | None:
    return size.value if isinstance(size, Exact) else None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reclaim", description="Predicted against measured.")
    parser.add_argument("driver", nargs="*", help="default: all")
    parser.add_argument("--mess", action="append", help="default: all")
    parser.add_argument("--engine", action="append", help="default: all that the table knows")
    parser.add_argument("--write", action="store_true", help=f"put the rows into {_FILE.name}")
    chosen = parser.parse_args(argv)
    lacks = missing()
    if lacks:
        print(f"a lab needs more than this machine has: {'; '.join(lacks)}", file=sys.stderr)
        return 1
    lines: list[Line] = []
    for mess in chosen.mess or sorted(messes.known()):
        for driver, engine in SETUPS:
            if (chosen.driver and driver not in chosen.driver) or (chosen.engine and engine not in chosen.engine):
                continue
            began = time.monotonic()
            line = run(mess, driver, engine)
            if line is None:
                continue
            lines.append(line)
            print(f"{table([line]).splitlines()[-1]} {time.monotonic() - began:.0f} s", file=sys.stderr)
            if chosen.write:  # after each row: what is cut short loses nothing
                _FILE.write_text(merged(_FILE.read_text(), table(lines), _place))
    print(table(lines))
    return 0 if all(line.good for line in lines) else 1


def _place(row: Sequence[str]) -> tuple[str, int]:
    """Where a row belongs: by mess, then as in SETUPS."""
    mess, driver, engine = row[:3]
    return mess, SETUPS.index((driver, engine)) if (driver, engine) in SETUPS else len(SETUPS)


if __name__ == "__main__":
    sys.exit(main())
