"""A state file with a checksum before it: what was written, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.system import checked


@given(st.binary())
def test_what_was_written_comes_back(body: bytes) -> None:
    assert checked.opened(checked.sealed(body)) == body


@given(st.binary(min_size=1), st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(body: bytes, at: int, bit: int) -> None:
    content = bytearray(checked.sealed(body))
    content[at % len(content)] ^= 1 << bit
    with pytest.raises(ValueError, match="checksum"):
        checked.opened(bytes(content))


def test_a_file_that_was_cut_is_noticed() -> None:
    content = checked.sealed(b"figures")
    for keep in range(len(content)):
        with pytest.raises(ValueError, match="checksum"):
            checked.opened(content[:keep])
