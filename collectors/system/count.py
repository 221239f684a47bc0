"""What was counted of one unit, or of a part of what lies in none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collectors.system.layer_cache import Evidence, LayerFigure, Link, Proof, Row

BLOCK_BYTES = 512

__all__ = ["BLOCK_BYTES", "Count", "Row", "from_figure", "from_plain"]


@dataclass(slots=True)
class Count:
    """Blocks, apparent bytes, inodes, and the hard links that also lead elsewhere."""

    blocks: int = 0
    apparent: int = 0
    inodes: int = 0
    newest: float = 0.0
    links: list[Link] = field(default_factory=list)
    errors: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # errno → (how often, where first)
    evidence: Evidence | None = None
    proofs: list[Proof] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # of the host: its directories, which add up to the sums
    parts: int = 1  # counted apart, each with a proof of its own or none
    measured_at: float | None = None  # None: now

    def add(self, other: Count) -> None:
        """Take in what another walker, or another time, has counted of the same."""
        self.blocks += other.blocks
        self.apparent += other.apparent
        self.inodes += other.inodes
        self.newest = max(self.newest, other.newest)
        self.links += other.links
        self.evidence = self.evidence or other.evidence
        self.proofs += other.proofs
        self.rows += other.rows
        self.parts += other.parts
        for number, (count, first) in other.errors.items():
            before, where = self.errors.get(number, (0, first))
            self.errors[number] = before + count, where


def from_plain(plain: tuple[Any, ...]) -> tuple[int, Count]:
    """A walker's tally: its index and what it came to."""
    index, blocks, apparent, inodes, newest, links, errors, evidence, proofs, rows = plain
    failures = {number: (count, where) for number, count, where in errors}
    return index, Count(blocks, apparent, inodes, newest, links, failures, evidence, proofs, rows)


def from_figure(figure: LayerFigure) -> Count:
    """A figure of the cache that still holds."""
    return Count(
        blocks=figure.blocks,
        apparent=figure.apparent,
        inodes=figure.inodes,
        newest=figure.newest,
        links=list(figure.links),
        evidence=figure.evidence,
        proofs=list(figure.proofs),
        rows=list(figure.rows),
        parts=len(figure.proofs),
        measured_at=figure.measured_at,
    )
