"""When the engine is asked what it remembers of builds, for how much, and what a run says if it does not answer."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.engine import endpoint
from collectors.inventory import Request
from collectors.journal import Journal
from collectors.model import DiffId, ImageId
from collectors.model.engine import Image
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.snapshot import Outcome, Snapshot
from collectors.pipeline.image_history import Builds, recollect
from collectors.system.deadline import this_host
from tests.fakes.engine import Fault, engine
from tests.fakes.server import Mute, Reply, Server
from tests.fakes.server import Request as Asked
from tests.report.test_hostile import a_record
from tests.world import a_view

NOW = datetime.now(UTC)
HERE = Origin("test", "made up", NOW, 0.0)
UNREAD = Unavailable(Why.NOT_PERMITTED, "not root", HERE)
STEPS = Reply(json.dumps([{"CreatedBy": "/bin/sh -c make", "Size": 9}]).encode())


def image(name: str, number: int, *tags: str) -> Image:
    """`number` minutes old; an image id that tells its name and number apart in its first 16 digits."""
    key = f"{name.encode().hex()[:8]:0<8}{number:08}".ljust(64, "0")
    made = Exact(NOW - timedelta(minutes=number), HERE)
    layers = Exact((DiffId(f"base of {name}"), DiffId(f"layer {name} {number}")), HERE)
    return Image(ImageId(f"sha256:{key}"), tags, (), UNREAD, UNREAD, UNREAD, made, {}, layers)


def journal(*images: Image) -> Journal:
    """One run an hour ago that saw these tags."""
    tags = {tag: one.id.removeprefix("sha256:")[:16] for one in images for tag in one.tags}
    return Journal((replace(a_record(), at=NOW - timedelta(hours=1), tags=tags),), (), 0, 0)


def look(server: Server, images: Sequence[Image], past: Journal | None, *, deadline_s: float = 60.0) -> Builds:
    view = a_view(UNREAD, images=tuple(images))
    began = datetime.now(UTC)
    snapshot = Snapshot("host", began, began, UNREAD, view, UNREAD, UNREAD, (), (), False)
    where = endpoint(server.url, {}, Path("/nowhere"))
    return recollect(past, snapshot, Request(where, this_host(), deadline_s, 3600.0))


def remembering(images: Sequence[Image], **faults: Fault) -> Server:
    told: dict[str, Fault] = {f"/images/{one.id}/history": STEPS for one in images}
    return engine("26.1.5-overlay2", {"/events": Reply(b""), **told, **faults})


def histories(requests: Sequence[Asked]) -> list[str]:
    return [one.path.split("/images/")[1].split("/")[0] for one in requests if one.path.endswith("/history")]


def test_nothing_is_asked_while_no_image_dangles_and_no_tag_moved() -> None:
    images = [image("app", 1, "shop/app:1"), image("db", 2, "shop/db:1")]
    with remembering(images) as server:
        found = look(server, images, journal(*images))
        assert look(server, [*images, image("app", 3)], None) == found
    assert server.requests == []
    assert found.reports == ()


def test_a_tag_that_moved_since_the_last_run_is_worth_the_question() -> None:
    old, new = image("app", 90, "shop/app:1"), image("app", 5, "shop/app:1")
    with remembering([new]) as server:
        found = look(server, [new], journal(old))
    assert [row.source for row in found.reports] == ["engine: events"]


def test_at_most_sixty_histories_are_asked_newest_first_and_every_repository_has_its_turn() -> None:
    many = [image("app", number, *(("shop/app:1",) if number == 1 else ())) for number in range(1, 101)]
    few = [image("db", number, *(("shop/db:1",) if number == 1 else ())) for number in range(1, 4)]
    with remembering([*many, *few]) as server:
        found = look(server, [*many, *few], journal())
    asked = histories(server.requests)
    assert len(asked) == len(set(asked)) == len(found.histories) == 60
    assert {one.id for one in few} <= set(asked)
    assert {one.id for one in many[:57]} <= set(asked)
    assert [row.outcome for row in found.reports] == [Outcome.READ, Outcome.READ]


def test_events_that_do_not_come_are_said_in_coverage_and_the_histories_are_there() -> None:
    images = [image("app", 1, "shop/app:1"), image("app", 2)]
    with remembering(images, **{"/events": Mute()}) as server:
        began = time.monotonic()
        found = look(server, images, journal())
        assert time.monotonic() - began < 5.0
    rows = {row.source: row for row in found.reports}
    assert rows["engine: events"].outcome is Outcome.UNREAD
    assert rows["engine: events"].reason.startswith("timed out")
    assert len(found.histories) == 2


def test_a_history_that_is_gone_leaves_the_others_and_a_reason() -> None:
    images = [image("app", 1, "shop/app:1"), image("app", 2), image("app", 3)]
    gone: dict[str, Fault] = {f"/images/{images[2].id}/history": Reply(b'{"message":"No such image"}', status=404)}
    with remembering(images, **gone) as server:
        found = look(server, images, journal())
    rows = {row.source: row for row in found.reports}
    assert rows["engine: image histories"].outcome is Outcome.PARTIAL
    assert "No such image" in rows["engine: image histories"].reason
    assert len(found.histories) == 2


def test_a_run_whose_time_is_over_asks_nothing_more_and_says_so() -> None:
    images = [image("app", 1, "shop/app:1"), image("app", 2)]
    with remembering(images) as server:
        began = time.monotonic()
        found = look(server, images, journal(), deadline_s=0.4)
        assert time.monotonic() - began < 1.0
    assert server.requests == []
    assert {row.outcome for row in found.reports} == {Outcome.UNREAD}
