"""Predicted against measured freed bytes of the whole plan, for every mess and driver, as a Markdown table.

    python -m tests.bench.reclaim                     every pair that exists here
    python -m tests.bench.reclaim btrfs --mess leak   some of them

The whole plan: every step at every tier, those that only a person may name included; left out is only the rewriting
of files, which a person does by hand. `data` is what btrfs counts as data bytes: its predictions are about those.
Exit status 1 where a measured figure is off by more than 1 % and more than 1 MiB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.model.plan import Risk
from collectors.model.reading import AtLeast, Exact, Size
from collectors.model.sums import floor
from collectors.remediation.apply import Outcome
from collectors.report.words import bytes_
from tests.lab import Lab, messes
from tests.lab.engines import NoSuchEngine
from tests.lab.require import missing
from tests.remediation.reclaiming import Reclaiming

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
_COLUMNS = ("mess", "driver", "engine", "steps", "predicted", "engine says", "measured", "data", "off by", "")


@dataclass(frozen=True)
class Line:
    """One mess on one engine."""

    mess: str
    driver: str
    engine: str
    outcome: Outcome | None
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
        """Measured minus predicted."""
        if self.outcome is None or self.measured is None:
            return None
        return self.measured - floor(self.outcome.predicted)

    @property
    def good(self) -> bool:
        """A step done in part promises a lower bound: then only too little is wrong."""
        off = self.off_bytes
        if off is None or self.outcome is None:
            return False
        allowed = max(MIB, floor(self.outcome.predicted) // 100)
        return -allowed <= off and (off <= allowed or not isinstance(self.outcome.predicted, Exact))


def run(mess: str, driver: str, engine: str) -> Line | None:
    """Bring the mess up, make the plan, run all of it. None where there is no such mess for this driver."""
    try:
        with (
            Lab.up(driver=driver, engine=engine, mess=mess, size_mib=_SIZES.get(mess, _SIZE_MIB)) as lab,
            tempfile.TemporaryDirectory(prefix="ullage-bench-") as state,
        ):
            reclaiming = Reclaiming(lab, Path(state))
            looked = reclaiming.look()
            everything = frozenset(step.id for step in looked.report.plan.steps)
            return Line(mess, driver, engine, reclaiming.apply(looked, Risk.DESTRUCTIVE, named=everything), "")
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
        return (*head, "", "", "", "", "", "", line.trouble[:80])
    off = line.off_bytes
    return (
        *head,
        str(len(outcome.steps)),
        _words(outcome.predicted),
        _words(outcome.engine_reported),
        _words(outcome.measured),
        _words(outcome.measured_data),
        "?" if off is None else f"{off:+,} B",
        f"{'ok' if line.good else 'NOT ok'}{_unfinished(outcome)}",
    )


def _unfinished(outcome: Outcome) -> str:
    left = [f"{t.target.partition(':')[0]}: {t.reason}" for r in outcome.steps for t in r.targets if not t.removed]
    return f"; {len(left)} left: {left[0][:70]}" if left else ""


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
    chosen = parser.parse_args(argv)
    lacks = missing()
    if lacks:
        print(f"a lab needs more than this machine has: {'; '.join(lacks)}", file=sys.stderr)
        return 1
    lines = []
    for mess in chosen.mess or sorted(messes.known()):
        for driver, engine in SETUPS:
            if (chosen.driver and driver not in chosen.driver) or (chosen.engine and engine not in chosen.engine):
                continue
            line = run(mess, driver, engine)
            if line is not None:
                print(table([line]).splitlines()[-1], file=sys.stderr)
                lines.append(line)
    print(table(lines))
    return 0 if all(line.good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
