"""Owners as tests write them: by their text."""

from __future__ import annotations

from collectors.model import Owner


def owner(text: str) -> Owner:
    """`image:sha256:a` as the program holds it."""
    return Owner.parse(text)


def owners(*texts: str) -> frozenset[Owner]:
    """Several of them."""
    return frozenset(map(Owner.parse, texts))
