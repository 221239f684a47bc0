"""Least recently used goes by what the journal saw, across a round trip through its lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from collectors.journal import Journal, encoding
from collectors.model import Owner, OwnerKind
from collectors.model.report import TrendView
from collectors.pipeline.memory import Memory, last_used
from tests.journal.build import a_record
from tests.planning.build import Scene, image

ID, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NO_TREND = TrendView(0, None, (), (), (), (), "", 0)


def test_the_images_in_use_survive_the_journal_as_changes() -> None:
    first = replace(a_record(0), in_use=frozenset({ID, OTHER}))
    again = encoding.decode(encoding.encode(first, None), {})
    assert again.in_use == frozenset({encoding.short_id(ID), encoding.short_id(OTHER)})
    later = replace(a_record(1), in_use=frozenset({ID}))
    line = encoding.encode(later, again)
    assert encoding.decode(line, {encoding.name_of(again): again}).in_use == frozenset({encoding.short_id(ID)})
    unknown = replace(a_record(2), in_use=None)
    assert encoding.decode(encoding.encode(unknown, None), {}).in_use is None


def test_an_image_was_last_used_when_the_newest_run_saw_a_container_hold_it() -> None:
    scene = Scene()
    scene.images = (image("a", "shop/app:1"), image("b", "shop/web:1"))
    held, idle = (encoding.short_id(one.id) for one in scene.images)
    records = [
        replace(a_record(0), in_use=frozenset({held, idle})),
        replace(a_record(1), in_use=frozenset({held})),
        replace(a_record(2), in_use=None),
    ]
    memory = Memory(NO_TREND, Journal(tuple(records), (), 0, 0))
    found = last_used(memory, scene.snapshot())
    assert found == {
        Owner(OwnerKind.IMAGE, scene.images[0].id): records[1].at,
        Owner(OwnerKind.IMAGE, scene.images[1].id): records[0].at,
    }
    assert records[1].at - records[0].at > timedelta(0)
