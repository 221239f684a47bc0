"""Holds forecasts against what the fleet's hosts really did: intervals, false alarms, warnings in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from collectors.forecast import Point
from collectors.forecast.crossings import Forecast, forecast, study
from collectors.model.filesystem import used_percent
from collectors.model.plan import Severity
from collectors.model.report import Crossing
from collectors.model.settings import Thresholds
from collectors.pipeline.memory import fill_severity, rule_severity
from tests.forecast import fleet
from tests.forecast.fleet import DAY, HOUR, Host

THRESHOLDS = Thresholds()
# What a sample every 20 minutes, late by up to 90 s, cannot tell.
GRAIN_S = 1200.0
# The used % is rounded up: 80 % begins above this share.
SHOWN_AS_80 = 79

Kind: TypeAlias = Callable[[int], Host]


@dataclass
class Score:
    """`held` of `told` intervals held the truth; for `silent` hosts, which will cross, nothing was foretold."""

    told: int = 0
    held: int = 0
    early: int = 0  # it crossed before the interval
    silent: int = 0


def ahead_of(host: Host, now_s: float) -> Forecast:
    """The forecast from what had been sampled by `now_s`."""
    return forecast(host.seen(now_s), total=host.total, thresholds=THRESHOLDS, now=datetime.fromtimestamp(now_s, UTC))


def score(kind: Kind, seeds: Iterable[int]) -> Score:
    """One forecast a host, at its `now_s`, against when its true path first crosses 80 %."""
    found = Score()
    for seed in seeds:
        host = kind(seed)
        truth_s = host.crossing_s(SHOWN_AS_80, host.now_s)
        if truth_s is None or truth_s <= host.now_s:
            continue
        crossing = next((one for one in ahead_of(host, host.now_s).crossings if one.percent == 80), None)
        if crossing is None:
            found.silent += 1
            continue
        found.told += 1
        found.held += _holds(crossing, truth_s)
        found.early += truth_s < crossing.earliest.timestamp() - GRAIN_S / 2
    return found


def false_alarm(host: Host, runs: int) -> bool | None:
    """Did one of the last `runs` runs raise an alarm of a crossing that does not come within twice the time foretold?

    None for a sawtooth before its second prune: until then it is a ramp, to anybody.
    """
    watched = host.seen(host.now_s)[-runs:]
    if host.kind == "sawtooth" and not _pruned_twice(host, watched[0]):
        return None
    for at_s in _alarms(host, watched):
        truth_s = host.crossing_s(SHOWN_AS_80, at_s)
        if truth_s is None or truth_s > at_s + 2 * DAY:
            return True
    return False


def escalated(host: Host, until_s: float) -> tuple[bool, bool]:
    """Did P2 or worse stand by `until_s`: by any rule, by the forecast alone? Watched for the day before."""
    said: list[Severity] = []
    percents: list[int | None] = []
    by_any = False
    for point in host.seen(until_s):
        percents.append(used_percent(point.value, host.total))
        if point.at_s < until_s - 24 * HOUR:
            continue
        said.append(_raw(ahead_of(host, point.at_s)))
        if rule_severity(said, THRESHOLDS) >= Severity.P2:
            return True, True
        by_any = by_any or fill_severity(percents[-6:], THRESHOLDS) >= Severity.P2
    return by_any, False


def four_hours_before(host: Host) -> float:
    """The last moment at which a warning is in time: four hours before a ramp crosses 80 %."""
    truth_s = host.crossing_s(SHOWN_AS_80, host.begin_s)
    if truth_s is None:
        raise ValueError(f"{host.kind} {host.seed} never crosses 80 %")
    return truth_s - 4 * HOUR


def names(kinds: Iterable[Kind]) -> list[str]:
    return [kind.__name__ for kind in kinds]


EVERY: tuple[Kind, ...] = fleet.GROWING + fleet.HARMLESS


def _holds(crossing: Crossing, truth_s: float) -> bool:
    latest_s = crossing.latest.timestamp() if crossing.latest else float("inf")
    return crossing.earliest.timestamp() - GRAIN_S / 2 <= truth_s <= latest_s + GRAIN_S / 2


def _raw(ahead: Forecast) -> Severity:
    """What one run says, by the rules of severity."""
    if ahead.crosses(90, timedelta(hours=4)):
        return Severity.P1
    return Severity.P2 if ahead.crosses(80, timedelta(hours=24)) else Severity.OK


def _alarms(host: Host, runs: Iterable[Point]) -> Iterator[float]:
    """The runs at which a forecast alarm stands."""
    said: list[Severity] = []
    for point in runs:
        said.append(_raw(ahead_of(host, point.at_s)))
        if rule_severity(said, THRESHOLDS) >= Severity.P2:
            yield point.at_s


def _pruned_twice(host: Host, point: Point) -> bool:
    known = study(host.seen(point.at_s), point.at_s)
    return known is not None and len(known.parts.drops) >= 2
