"""All targets by name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import bolt, btrfs, engine, journal, kept, texts

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (*engine.TARGETS, *btrfs.TARGETS, *bolt.TARGETS, *journal.TARGETS, *texts.TARGETS, *kept.TARGETS)
}
