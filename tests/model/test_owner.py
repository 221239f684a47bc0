"""An owner's text reads back as the same owner, whatever its id holds, and is made and read at the borders alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors
import tui
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.encoding import conforms, decode, encode
from collectors.model.ledger import Release
from collectors.model.store import Unit, UnitKind
from collectors.report import recording
from tests.tui.incident import incident

OWNERS = st.builds(
    Owner,
    st.sampled_from(OwnerKind),
    st.text()
    | st.sampled_from(["", ":", "sha256:ab", "a:b:c", "two\nlines", "\x00\x1b[31m", "\udcff", "图像:é", "image:x"]),
)
# The only place where the text of an owner is put together or taken apart.
HOME = Path(collectors.__file__).parent / "model" / "__init__.py"
BEGINS = re.compile(rf"({'|'.join(OwnerKind)}):\S*")
# What reads recordings, answers of the probe, and the log of a run that a crash ended.
BORDERS = {"encoding", "recording_v1", "recording", "run_log"}
# Texts that begin like an owner's and are none.
OTHERS = frozenset({"containerd:"})  # the name of a driver: containerd:<snapshotter>


@given(OWNERS)
def test_the_text_of_an_owner_reads_back_as_the_same_owner(owner: Owner) -> None:
    again = Owner.parse(owner.text())
    assert again == owner
    assert (again.kind, type(again.kind)) == (owner.kind, OwnerKind)
    assert hash(again) == hash(owner)
    assert conforms(again, Owner)


@given(OWNERS, OWNERS)
def test_owners_stand_in_the_order_of_their_texts(one: Owner, other: Owner) -> None:
    assert (one < other) == (one.text() < other.text())


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    if text.partition(":")[0] in set(OwnerKind) and ":" in text:
        assert Owner.parse(text).text() == text
    else:
        with pytest.raises(ValueError, match=r"owner|OwnerKind"):
            Owner.parse(text)


@given(st.frozensets(OWNERS))
def test_owners_are_recorded_and_loaded_as_such(owners: frozenset[Owner]) -> None:
    unit = Unit(UnitId("u"), UnitKind.CONTENT, "/u", "u", owners, False, None)
    for value, kind in ((unit, Unit), (Release(owners, 3, 0, None), Release)):
        again = decode(encode(value))
        assert again == value
        assert conforms(again, kind)


def test_a_recording_with_an_owner_of_no_known_kind_is_refused() -> None:
    report = incident()
    finding = replace(report.findings[0], owners=(Owner("planet", "mars"),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="planet"):
        recording.load(recording.dump(replace(report, findings=(finding,))))


def program() -> Iterator[tuple[Path, ast.AST]]:
    for package in (collectors, tui):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            if path != HOME:
                yield path, ast.parse(path.read_text())


def texts_of_owners(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each place that spells an owner's text, whole or its beginning, or joins one from a kind."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if BEGINS.fullmatch(text):
                yield node.lineno, text
            case ast.JoinedStr(values=[ast.FormattedValue(value=first), ast.Constant(value=str(text)), *_]):
                if text.startswith(":") and re.search(r"kind\b", ast.unparse(first)):
                    yield node.lineno, ast.unparse(node)
            case _:
                pass


@pytest.mark.parametrize(
    "line",
    [
        'f"image:{image.id}"',
        'f"image:sha256:{name}"',
        '"log:" + name',
        'owner.startswith(("container:", "log:"))',
        'f"{kind}:{name}"',
        'f"{owner.kind}:{owner.id}"',
        'owner == "unlinked:"',
    ],
)
def test_such_a_place_is_seen(line: str) -> None:
    assert list(texts_of_owners(ast.parse(line)))


def test_no_other_module_puts_an_owners_text_together_or_takes_one_apart() -> None:
    found = [
        f"{path}:{line}: {text}"
        for path, tree in program()
        for line, text in texts_of_owners(tree)
        if text not in OTHERS
    ]
    assert not found, "\n".join(found)


def test_only_what_reads_from_outside_reads_owners_from_texts() -> None:
    readers = {path.stem for path, tree in program() for node in ast.walk(tree) if _reads_owners(node)}
    assert readers == BORDERS


def _reads_owners(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "parse" and ast.unparse(node.value) == "Owner"
