"""A verdict as a person reads it: what is named in it, in which order, and what is claimed of it.

Names are looked for as words, so that it does not matter how a sentence is built around them. Refuses to know how the
program makes its sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CLAUSES = " · "
_LONG = 12
# A word that claims a rank; "at most" and "at the most" claim none.
_RANKS = re.compile(r"(?<!at )(?<!at the )\b(?:largest|most|biggest)\b")
_BRACKETS = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
_FIGURE = re.compile(r"\d\s?(?:B|[KMGT]i?B)\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict in its clauses: what holds it, what comes back with least harm, what a person must decide."""

    text: str

    @property
    def clauses(self) -> tuple[str, ...]:
        return tuple(self.text.split(CLAUSES))

    def holding(self, labels: Mapping[str, str]) -> str:
        """The first clause in which anything is named; `labels` are patterns by name. "" where nothing is."""
        return next((clause for clause in self.clauses if named(clause, labels)), "")

    def first(self, labels: Mapping[str, str]) -> str:
        """The name that comes first, "" for none."""
        return next(iter(named(self.holding(labels), labels)), "")


def named(sentence: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The names that occur, in their order. Where two patterns meet at one place the longer text is meant.

    What stands in brackets says something of a name (who uses it, how much was read) and names nothing.
    """
    sentence = _BRACKETS.sub(lambda found: " " * len(found[0]), sentence)
    found: list[tuple[int, int, str]] = []
    for name, pattern in labels.items():
        match = re.search(pattern, sentence)
        if match is not None:
            found.append((match.start(), -match.end(), name))
    return tuple(name for _, _, name in sorted(found))


def ranks(sentence: str) -> bool:
    """Does it say of something that it is the largest?"""
    return _RANKS.search(sentence) is not None


def tells_bytes(sentence: str) -> bool:
    """Is a figure in it a number of bytes? What stands in brackets is beside the point."""
    return _FIGURE.search(_BRACKETS.sub("", sentence)) is not None


def tells_inodes(sentence: str) -> bool:
    """Is it about inodes, brackets aside?"""
    return "inode" in _BRACKETS.sub("", sentence)


def word(text: str) -> str:
    """A pattern for a name that stands by itself, not as a part of another one; a long one may be cut in its middle.

    A path also stands for what lies below it: whoever is told the file knows the directory.
    """
    end = r"(?![\w-])" if text.startswith("/") else r"(?![\w/-])"
    whole = rf"(?<![\w/.-]){re.escape(text)}{end}"
    if len(text) < _LONG:
        return whole
    head, tail = re.escape(text[:3]), re.escape(text[-3:])
    return rf"{whole}|(?<![\w/.-]){head}[^,;·…]*…[^,;·…]*{tail}{end}"


def either(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)
