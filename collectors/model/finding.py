"""What is wrong, how bad it is, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from collectors.model.ledger import Category
from collectors.model.owner import Owner
from collectors.model.reading import Size

CALM = "no action needed"  # a clause of the verdict where nothing presses


class Severity(IntEnum):
    """Ordered: the larger, the worse."""

    OK = 0
    P4 = 1  # for information
    P3 = 2  # worth knowing
    P2 = 3  # warning
    P1 = 4  # critical
    P0 = 5  # critical, now


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable identifier in kebab case; `claim` one line that names the thing, without its size.

    Claims, remedies and evidence may hold foreign strings as they are: whoever shows them escapes them.
    """

    rule: str
    severity: Severity
    claim: str
    bytes: Size | None  # None: the finding is not about a number of bytes
    evidence: tuple[tuple[str, Size | str], ...]  # (label, figure or raw text)
    remedy: str  # what to do, one line
    owners: tuple[Owner, ...]  # what the remedy would remove
    certain: bool  # False: could not be told for sure; the remedy must not act on it
    category: Category | None = None  # where its bytes are charged; None: it is not about one, or from an old recording
    mount: str = ""  # of which filesystem, by its mountpoint; "": of the Docker root's, or of the engine as a whole
