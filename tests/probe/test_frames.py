"""The two streams of a container, as an engine sends them: any cut, any garbage, any amount."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.container import Streams
from collectors.system.deadline import Malformed


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), st.integers(1, 9))
def test_streams_are_told_apart_however_they_are_cut(said: list[tuple[int, bytes]], step: int) -> None:
    wire = b"".join(frame(stream, data) for stream, data in said)
    streams = Streams(10_000)
    for at in range(0, len(wire), step):
        streams.feed(wire[at : at + step])
    assert streams.stdout == b"".join(data for stream, data in said if stream == 1)
    assert streams.stderr == b"".join(data for stream, data in said if stream == 2)[-2048:]


@given(st.binary(min_size=8))
def test_what_are_no_frames_is_refused(data: bytes) -> None:
    if data[0] in (1, 2) and data[1:4] == b"\0\0\0":
        return
    with pytest.raises(Malformed, match="no stream of frames"):
        Streams(100).feed(data)


def test_more_than_the_limit_is_not_held() -> None:
    streams = Streams(100)
    streams.feed(struct.pack(">BxxxI", 1, 1 << 31) + bytes(100))
    with pytest.raises(Malformed, match="more than the 100 bytes"):
        streams.feed(b"x")


def test_of_stderr_the_last_words_are_kept_whatever_it_says() -> None:
    streams = Streams(100)
    streams.feed(frame(2, bytes(100_000) + b"the reason"))
    assert len(streams.stderr) == 2048
    assert streams.stderr.endswith(b"the reason")
