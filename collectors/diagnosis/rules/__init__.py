"""Every rule, in the order in which equal severities are told."""

from __future__ import annotations

from collectors.diagnosis.case import Rule
from collectors.diagnosis.rules import btrfs, docker, fill, leftovers, trend

RULES: tuple[Rule, ...] = (*fill.RULES, *btrfs.RULES, *trend.RULES, *docker.RULES, *leftovers.RULES)
