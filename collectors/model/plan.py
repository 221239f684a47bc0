"""What would help, in order, safest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from collectors.model.owner import Owner
from collectors.model.reading import Size


class Risk(StrEnum):
    SAFE = "safe"  # can be made again by itself
    CAREFUL = "careful"  # can be made again by somebody
    DESTRUCTIVE = "destructive"  # cannot be made again


class Harm(IntEnum):
    """What a remedy costs at worst. Ordered: the larger, the worse."""

    NONE = 0  # comes back by itself
    TIME = 1  # built, pulled or downloaded again
    HISTORY = 2  # logs, core dumps: what happened can no longer be looked into
    STATE = 3  # may be the only one of its kind
    DATA = 4  # somebody's data, or the work of a process


@dataclass(frozen=True, slots=True)
class Step:
    """One remedy. `targets` are the owners it removes; empty for a step that removes nothing (wait, balance)."""

    id: str  # unique within the plan
    action: str  # stable verb: build-cache.prune, image.remove, container.remove, btrfs.balance …
    title: str
    command: str  # what a person could type
    targets: tuple[Owner, ...]
    frees: Size  # on this filesystem, by this step after the steps before it
    risk: Risk
    needs: str  # precondition, "" for none
    costs: str  # what it will cost afterwards: rebuild, re-pull, lost logs
    undo: str
    rule: str  # the finding that asks for it
    automatic: bool  # may --apply run it at its tier? volumes and orphans with doubt: never
    cause: str = ""  # id of the cause that proposed it, and that knows how it is done; "" in older recordings


@dataclass(frozen=True, slots=True)
class Unlock:
    """Bytes that come free once all of these steps are done."""

    steps: frozenset[str]
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    unlocks: tuple[Unlock, ...]
    left_out: tuple[str, ...]  # one sentence for each remedy that would free nothing or cannot work, with the reason
    mount: str = ""  # on which filesystem it frees, by its mountpoint; "": on the Docker root's

    @property
    def ids(self) -> frozenset[str]:
        """Those of all steps."""
        return frozenset(step.id for step in self.steps)

    def frees_bytes(self, chosen: frozenset[str]) -> int:
        """What exactly this set of steps frees together, as far as it is measured."""
        return sum(unlock.bytes for unlock in self.unlocks if unlock.steps <= chosen)

    def later_bytes(self) -> Mapping[str, int]:
        """What each step frees only together with a step after it, as far as it is measured; 0 for none."""
        place = {step.id: number for number, step in enumerate(self.steps)}
        found: Counter[str] = Counter()
        for unlock in self.unlocks:
            if len(unlock.steps) > 1 and unlock.steps <= place.keys():
                last = max(unlock.steps, key=place.__getitem__)
                found.update(dict.fromkeys(unlock.steps - {last}, unlock.bytes))
        return found
