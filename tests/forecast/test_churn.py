"""Rebuilt tags: how often, and what they left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.forecast.churn import By, TagEvent, attribute, churn, moves
from collectors.journal.encoding import short_id
from collectors.model import ImageId
from collectors.model.engine import repository_of
from collectors.model.reading import Between, Exact, Size
from tests.journal.build import GIB, HERE, NOON, RUN, a_journal, a_record, an_image, image_id
from tests.scale.growth import TOO_MUCH, growth

NOW = NOON + timedelta(hours=12)
TAG = "shop/app:latest"


def _event(at: datetime, tag: str, image: str) -> TagEvent:
    return TagEvent(at, tag, ImageId(image))


def _tagged(*numbers: int | None) -> list[dict[str, str]]:
    return [{} if number is None else {TAG: short_id(image_id(number))} for number in numbers]


def test_twelve_builds_of_one_tag_are_twelve_and_leave_eleven_images() -> None:
    journal = a_journal([a_record(run, tags=tags) for run, tags in enumerate(_tagged(*range(12)))])
    images = [an_image(number, *([TAG] if number == 11 else []), made=NOON + number * RUN) for number in range(12)]
    (found,) = churn(journal, images, now=NOW, freed=lambda ids: Exact(len(ids) * GIB, HERE))
    assert (found.repository, found.rebuilds, found.dangling_images) == ("shop/app", 12, 11)
    assert found.dangling_bytes == Exact(11 * GIB, HERE)
    assert found.since == NOW - timedelta(days=1)


def test_builds_between_two_runs_count_by_their_creation() -> None:
    journal = a_journal([a_record(run, tags=tags) for run, tags in enumerate(_tagged(0, 5))])
    images = [
        an_image(number, *([TAG] if number == 5 else []), made=NOON + timedelta(minutes=number), layers=("base", "own"))
        for number in range(6)
    ]
    (found,) = churn(journal, images, now=NOW)
    assert (found.rebuilds, found.dangling_images) == (6, 5)


def test_builds_that_are_gone_again_count_by_the_engines_events() -> None:
    events = [_event(NOON + number * RUN, TAG, image_id(number)) for number in range(4)]
    (found,) = churn(a_journal([]), [], now=NOW, events=events)
    assert (found.rebuilds, found.dangling_images) == (4, 0)


def test_the_same_build_is_counted_once_whatever_showed_it() -> None:
    journal = a_journal([a_record(run, tags=tags) for run, tags in enumerate(_tagged(0, 1, 1, 2))])
    images = [an_image(number, *([TAG] if number == 2 else []), made=NOON + number * RUN) for number in range(3)]
    events = [_event(NOON + number * RUN, TAG, image_id(number)) for number in range(3)]
    (found,) = churn(journal, images, now=NOW, events=events)
    assert found.rebuilds == 3


def test_builds_before_the_window_and_after_now_are_not_counted() -> None:
    early = [a_record(run - 200, tags=tags) for run, tags in enumerate(_tagged(0, 1, 2))]
    journal = a_journal([*early, a_record(0, tags=_tagged(3)[0])])
    images = [an_image(number, made=NOON - timedelta(days=3)) for number in range(3)]
    images += [an_image(3, TAG, made=NOON), an_image(9, made=NOW + timedelta(hours=1))]
    late = _event(NOW + timedelta(minutes=1), TAG, image_id(8))
    found = {one.repository: one for one in churn(journal, images, now=NOW, events=[late])}
    assert found["shop/app"].rebuilds == 1
    assert found["shop/app"].dangling_images == 3
    assert found[""].dangling_images == 1  # nobody knows whose: made after now, under no tag
    assert churn(journal, [an_image(3, TAG, made=NOON)], now=NOW) == ()  # built once, nothing left: no churn


def test_a_run_that_could_not_read_the_tags_moves_nothing() -> None:
    journal = a_journal([a_record(0, tags=_tagged(0)[0]), a_record(1, tags=None), a_record(2, tags=_tagged(0)[0])])
    assert moves(journal) == ()


def test_a_new_or_a_removed_tag_is_no_move() -> None:
    journal = a_journal([a_record(run, tags=tags) for run, tags in enumerate(_tagged(None, 0, None, 1))])
    assert moves(journal) == ()


def test_repositories_come_most_built_first() -> None:
    events = [
        _event(NOON, f"r{number}:1", image_id(10 * number + build))
        for number in range(3)
        for build in range(number + 2)
    ]
    assert [one.repository for one in churn(a_journal([]), [], now=NOW, events=events)] == ["r2", "r1", "r0"]


def test_without_the_books_the_engines_sizes_bound_what_is_left() -> None:
    images = [an_image(1, size=3 * GIB, shared=2 * GIB), an_image(2, size=3 * GIB, shared=2 * GIB)]
    (found,) = churn(a_journal([]), images, now=NOW)
    left: Size = found.dangling_bytes
    assert isinstance(left, Between)
    assert (left.low, left.high) == (2 * GIB, 6 * GIB)  # 4 GiB in truth: the shared layers go with the last


def test_the_set_of_exactly_the_dangling_images_is_asked_for() -> None:
    asked: list[frozenset[ImageId]] = []

    def freed(ids: frozenset[ImageId]) -> Size:
        asked.append(ids)
        return Exact(0, HERE)

    churn(a_journal([]), [an_image(1), an_image(2), an_image(3, TAG)], now=NOW, freed=freed)
    assert frozenset({ImageId(image_id(1)), ImageId(image_id(2))}) in asked


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("app:1", "app"),
        ("app", "app"),
        ("shop/app:latest", "shop/app"),
        ("host:5000/shop/app", "host:5000/shop/app"),
        ("host:5000/shop/app:1", "host:5000/shop/app"),
        ("shop/app@sha256:0123", "shop/app"),
        ("host:5000/shop/app:1@sha256:0123", "host:5000/shop/app"),
        ("", ""),
        (":", ""),
    ],
)
def test_a_repository_is_a_reference_without_tag_and_digest(reference: str, repository: str) -> None:
    assert repository_of(reference) == repository


@given(st.text())
def test_any_reference_has_a_repository(reference: str) -> None:
    assert reference.startswith(repository_of(reference))


def test_the_strongest_evidence_names_the_repository() -> None:
    from dataclasses import replace

    journal = a_journal([a_record(0, tags={f"by/journal:{n}": short_id(image_id(n)) for n in (1, 2, 3)})])
    events = [("by/event:1", image_id(number)) for number in (1, 2, 3, 4)]
    images = [
        an_image(1, "by/tag:1"),
        replace(an_image(2), digests=("by/digest@sha256:00",)),
        an_image(3),
        an_image(4),
        an_image(5),
    ]
    found = attribute(journal, images, events)
    assert [(one.repository, one.by) for number in range(1, 5) for one in [found[short_id(image_id(number))]]] == [
        ("by/tag", By.TAG),
        ("by/digest", By.DIGEST),
        ("by/journal", By.JOURNAL),
        ("by/event", By.EVENT),
    ]
    assert short_id(image_id(5)) not in found


def test_layers_name_a_repository_only_where_no_other_has_as_many() -> None:
    images = [
        an_image(1, "shop/app:1", layers=("debian", "python", "app1")),
        an_image(2, "shop/web:1", layers=("debian", "node", "web1")),
        an_image(3, layers=("debian", "python", "app0")),
        an_image(4, layers=("debian", "else")),  # as much of the one as of the other
        an_image(5, layers=("alpine",)),
    ]
    found = attribute(a_journal([]), images, [])
    assert found[short_id(image_id(3))].repository == "shop/app"
    assert found[short_id(image_id(3))].by is By.LAYERS
    assert {short_id(image_id(4)), short_id(image_id(5))} & found.keys() == set()


chains = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


@given(st.lists(st.tuples(chains, st.sampled_from(["x", "y", "z", ""])), min_size=1, max_size=12))
def test_layers_say_what_comparing_each_image_with_each_says(rows: list[tuple[list[str], str]]) -> None:
    images = [an_image(n, *([f"{name}:{n}"] if name else []), layers=layers) for n, (layers, name) in enumerate(rows)]
    found = attribute(a_journal([]), images, [])
    for number, (layers, name) in enumerate(rows):
        if not name:
            best: dict[str, int] = {}
            for other, owner in rows:
                if owner:
                    shared = sum(
                        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(layers, other, strict=False))
                    )
                    best[owner] = max(best.get(owner, 0), shared)
            most = max(best.values(), default=0)
            winners = [owner for owner, shared in best.items() if shared == most and most]
            told = found.get(short_id(image_id(number)))
            assert (told.repository if told else None) == (winners[0] if len(winners) == 1 else None)


def test_naming_images_by_their_layers_grows_as_they_do() -> None:
    def prepared(count: int) -> Callable[[], object]:
        tags = [[f"repo-{n}:1"] if n % 2 else [] for n in range(count)]
        images = [an_image(n, *tags[n], layers=("base", f"own-{n // 2}", f"{n}")) for n in range(count)]
        return lambda: attribute(a_journal([]), images, [])

    assert growth(prepared, 500) < TOO_MUCH
