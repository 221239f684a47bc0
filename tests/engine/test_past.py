"""What an engine remembers of its images, well told and badly."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collectors import engine as decode
from collectors.engine import Past, endpoint
from collectors.model import ImageId
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.system.deadline import Malformed
from tests.fakes.engine import Fault, engine
from tests.fakes.server import Flood, Mute, Reply, Server

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = Origin("test", "made up", NOW, 0.0)
IMAGE = ImageId("sha256:" + "a" * 64)


def event(tag: str, *, at_s: int = 1_700_000_000, action: str = "tag", kind: str = "image") -> dict[str, Any]:
    actor = {"ID": IMAGE, "Attributes": {"name": tag}}
    return {"Type": kind, "Action": action, "Actor": actor, "time": at_s, "timeNano": at_s * 10**9}


def stream(*events: Mapping[str, Any]) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in events) + b"\n"


def asked(faults: Mapping[str, Fault]) -> Server:
    return engine("26.1.5-overlay2", faults)


def past(server: Server, deadline_s: float = 5.0) -> Past:
    return Past(endpoint(server.url, {}, Path("/nowhere")), deadline_s=deadline_s)


def test_tags_come_oldest_first_and_nothing_else_is_taken_for_one() -> None:
    body = stream(
        event("app:2", at_s=1_700_000_060),
        event("app:1"),
        event("app:0", action="untag"),
        event("c", kind="container"),
        event(""),
        event("app:3", at_s=0),
    )
    assert [(one.tag, one.image_id) for one in decode.tag_events(body, HERE)] == [("app:1", IMAGE), ("app:2", IMAGE)]


def test_no_events_are_an_empty_answer() -> None:
    assert decode.tag_events(b"", HERE) == ()


@pytest.mark.parametrize("body", [b'{"Type":"image"', b"[]", b"17", b"\xff", b"[" * 100_000])
def test_a_stream_of_something_else_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode.tag_events(body, HERE)


def test_a_history_comes_base_first_and_an_imported_layer_has_its_comment() -> None:
    body = json.dumps(
        [{"CreatedBy": "RUN make", "Size": 9}, {"CreatedBy": "", "Comment": "Imported from -", "Size": 1}]
    ).encode()
    assert [one.instruction for one in decode.history(body, HERE)] == ["Imported from -", "RUN make"]


def test_the_engine_is_asked_for_tags_of_a_span_that_has_passed() -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    with asked({"/events": Reply(stream(event("app:1")))}) as server, past(server) as open_past:
        found = open_past.tags_given(since=since)
    assert isinstance(found, Exact)
    assert [one.tag for one in found.value] == ["app:1"]
    (request,) = [one for one in server.requests if one.path.endswith("/events")]
    query = dict(request.query)
    assert json.loads(query["filters"]) == {"type": ["image"], "event": ["tag"]}
    assert float(query["since"]) == pytest.approx(since.timestamp(), abs=1)
    assert float(query["until"]) <= time.time()


def test_each_history_arrives_or_says_why_not() -> None:
    other = ImageId("sha256:" + "b" * 64)
    told = {f"/images/{IMAGE}/history": Reply(b'[{"CreatedBy":"RUN make","Size":9}]')}
    with asked(told) as server, past(server) as open_past:
        found = open_past.histories([IMAGE, other])
    assert isinstance(found[IMAGE], Exact)
    missing = found[other]
    assert isinstance(missing, Unavailable)
    assert missing.why is Why.NOT_REPORTED


def test_a_stream_that_does_not_end_is_left_and_the_histories_are_still_asked() -> None:
    told: dict[str, Fault] = {"/events": Mute(), f"/images/{IMAGE}/history": Reply(b"[]")}
    with asked(told) as server, past(server) as open_past:
        began = time.monotonic()
        events, histories = open_past.tags_given(since=NOW), open_past.histories([IMAGE])
        took_s = time.monotonic() - began
    assert isinstance(events, Unavailable)
    assert events.why is Why.TIMED_OUT
    assert isinstance(histories[IMAGE], Exact)
    assert took_s < 4.0


def test_a_flood_of_events_is_not_taken_into_memory() -> None:
    with asked({"/events": Flood(10**9, first=b"{")}) as server, past(server) as open_past:
        found = open_past.tags_given(since=NOW)
    assert isinstance(found, Unavailable)
    assert found.why is Why.MALFORMED
    assert server.sent_bytes < 32 * 2**20


def test_an_engine_that_is_gone_or_has_no_time_is_a_reason_for_each_question(tmp_path: Path) -> None:
    nobody = Past(endpoint(f"unix://{tmp_path}/none.sock", {}, Path("/nowhere")), deadline_s=2.0)
    with nobody as open_past:
        assert isinstance(open_past.tags_given(since=NOW), Unavailable)
        assert all(isinstance(one, Unavailable) for one in open_past.histories([IMAGE]).values())
    with asked({}) as server, past(server, deadline_s=0.0) as late:
        assert isinstance(late.tags_given(since=NOW), Unavailable)


def test_a_silent_engine_costs_the_deadline_and_no_more() -> None:
    with asked({"*": Mute()}) as server:
        began = time.monotonic()
        with past(server, deadline_s=0.5) as open_past:
            assert isinstance(open_past.tags_given(since=NOW), Unavailable)
            assert isinstance(open_past.histories([IMAGE])[IMAGE], Unavailable)
        assert time.monotonic() - began < 2.5
