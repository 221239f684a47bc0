"""Who is named: things before classes, nothing while something twice its size is not, nothing that may be wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random

import pytest

from collectors.ledger import account
from collectors.ledger.ranking import CAUSING_SHARE, DOMINANT_SHARE, MOST_NAMED, most_of_it, rank, ranked
from collectors.model import Owner, OwnerKind
from collectors.model.filesystem import PathUsage, Share
from collectors.model.ledger import Category
from collectors.model.plan import Holder, Ranking, Resource
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, charged, floor
from collectors.model.report import Growth, TrendView
from collectors.model.store import UnitKind
from collectors.pipeline.memory import blank
from tests.ledger.build import HERE, NOT_READ, NOW, occupancy, share, snapshot, study, unit
from tests.planning.build import Scene, container, image, log, record, volume
from tests.world import a_view

NO_TREND = blank("").trend


def a_thing(category: Category, name: str, size: Size, inodes: Size, growth: int | None = None) -> Holder:
    return Holder(Owner(OwnerKind.PATH, name), category, name, "", "", size, inodes, growth, ())


def a_class(category: Category, members: list[Holder], size: Size, inodes: Size, growth: int | None = None) -> Holder:
    return Holder(None, category, category.value, "", "", size, inodes, growth, tuple(members))


def exact(count: int) -> Exact[int]:
    return Exact(count, HERE)


def a_size(chance: Random, exactly: bool) -> tuple[Size, int]:
    """What was read, and a truth that it allows."""
    truth = chance.choice((chance.randint(0, 1000), chance.randint(0, 60)))
    low, high = chance.randint(0, truth), chance.randint(truth, 2000)
    kind = "exact" if exactly else chance.choice(("exact", "exact", "exact", "floor", "between", "unread"))
    if kind == "floor":
        return AtLeast(low, (NOT_READ,), HERE), truth
    if kind == "between":
        return Between(chance.randint(low, high), low, high, 1.0, "guess", HERE), truth
    return (exact(truth) if kind == "exact" else NOT_READ), truth


@dataclass(frozen=True)
class Made:
    """A made-up host: classes with as many inodes as bytes, the truth by name, and what is used in all."""

    found: tuple[Holder, ...]
    truths: dict[str, int]
    used: int
    resource: Resource


def a_host(seed: int, *, exactly: bool) -> Made:
    chance = Random(seed)
    found, truths, used = [], {}, 0
    for category in chance.sample(tuple(Category), chance.randint(1, len(Category))):
        members, whole, low, open_ended = [], 0, 0, False
        for number in range(chance.randint(0, 5)):
            size, truth = a_size(chance, exactly)
            name = f"{category.value} {number}"
            growth = chance.choice((None, chance.randint(1, 100)))
            members.append(a_thing(category, name, size, size, growth))
            truths[name] = truth
            whole, low = whole + truth, low + floor(size)
            open_ended = open_ended or not isinstance(size, Exact)
        shared = chance.choice((0, chance.randint(0, 300)))  # by several members
        whole, low = whole + shared, low + shared
        size = AtLeast(low, (NOT_READ,), HERE) if open_ended else exact(whole)
        truths[category.value] = whole
        found.append(a_class(category, members, size, size))
        used += whole
    return Made(tuple(found), truths, used, chance.choice((Resource.BYTES, Resource.INODES)))


HOSTS = 2000


@cache  # made when the first test of them runs, not by everybody who only collects
def hosts(*, exactly: bool) -> list[Made]:
    return [a_host(seed, exactly=exactly) for seed in range(HOSTS)]


def true_size(one: Holder, truths: dict[str, int], found: tuple[Holder, ...]) -> int:
    """What a ranked holder really holds; a rest holds what its class has without those that were taken out."""
    if not one.members and one.name in truths:
        return truths[one.name]
    whole = next(each for each in found if each.category is one.category)
    taken = {member.name for member in whole.members} - {member.name for member in one.members}
    return truths[whole.name] - sum(truths[name] for name in taken)


def weight(one: Holder) -> int:
    return charged(one.bytes)


def answered(found: tuple[Holder, ...], names: tuple[Holder, ...]) -> set[str]:
    """Everything that is named, by itself, by its class, or as a class by the member that is most of it."""
    told = {one.name for one in names} | {member.name for one in names for member in one.members}
    for each in found:
        if any(one.category is each.category and weight(one) >= DOMINANT_SHARE * weight(each) for one in names):
            told.add(each.name)
    return told


def test_nothing_is_named_while_a_holder_twice_its_size_is_not() -> None:
    for host in hosts(exactly=True):
        names = most_of_it(ranked(host.found, host.resource, exact(host.used)))
        told = answered(host.found, names)
        # A class that was taken apart is told by its members.
        apart = {each.name for each in host.found if any(one in each.members for one in names)}
        for one in (*host.found, *(member for each in host.found for member in each.members)):
            if one.name not in told | apart:
                assert all(weight(one) < 2 * weight(named) for named in names), host
        assert len(names) <= MOST_NAMED
        assert bool(names) == any(weight(one) for one in host.found)


def test_a_class_is_named_only_where_no_member_holds_most_of_it() -> None:
    for host in hosts(exactly=True):
        for one in ranked(host.found, host.resource, exact(host.used)).holders:
            assert all(weight(member) < DOMINANT_SHARE * weight(one) for member in one.members), host


def test_the_largest_is_certain_only_where_it_is_whatever_was_not_read() -> None:
    sure = 0
    for host in hosts(exactly=False):
        ranking = ranked(host.found, Resource.BYTES, exact(host.used))
        if ranking.certain:
            sure += 1
            first, *rest = (true_size(one, host.truths, host.found) for one in ranking.holders)
            unseen = {each.category for each in host.found} - {one.category for one in ranking.holders}
            rest += [host.truths[each.name] for each in host.found if each.category in unseen]
            assert all(one <= first for one in rest), host
    assert sure > HOSTS // 50, "the law would hold if nothing ever were certain"


def test_what_is_ranked_adds_up_to_what_is_held() -> None:
    for host in hosts(exactly=True):
        assert sum(weight(one) for one in ranked(host.found, host.resource, exact(host.used)).holders) == host.used


def test_who_causes_the_growth_is_the_thing_that_grows_most() -> None:
    for seed, host in enumerate(hosts(exactly=True)):
        grown = Random(seed).randint(1, 200)
        ranking = ranked(host.found, Resource.BYTES, exact(host.used), grown)
        most = max((m.growth_bytes_per_day or 0 for each in host.found for m in each.members), default=0)
        if most >= CAUSING_SHARE * grown:
            assert ranking.growing is not None
            assert ranking.growing.growth_bytes_per_day == most
            assert ranking.first is ranking.growing
        else:
            assert ranking.growing is None


# Now of whole books: layers, volumes, logs, directories, as the ledger charges them.

UNITS = (
    unit("base", UnitKind.IMAGE_LAYER, "image:sha256:a", "image:sha256:b", "container:c"),
    unit("top-a", UnitKind.IMAGE_LAYER, "image:sha256:a", "build:r", "container:c"),
    unit("top-b", UnitKind.IMAGE_LAYER, "image:sha256:b"),
    unit("cache", UnitKind.BUILD_SNAPSHOT, "build:r"),
    unit("rw", UnitKind.WRITABLE_LAYER, "container:c"),
    unit("log", UnitKind.LOG, "log:c"),
    unit("vol", UnitKind.VOLUME, "volume:pg"),
    unit("lost", UnitKind.ORPHAN_CANDIDATE, "orphan:/d/lost"),
)
VIEW = a_view(
    NOT_READ,
    images=(image("a", "shop/app:2"), image("b", "shop/app:1")),
    containers=(container("c", "a", volumes=("pg",)),),
    volumes=(volume("pg"),),
    build_cache=(record("r"),),
)


def judged(
    *shares: Share, used: int, trend: TrendView = NO_TREND, unread: tuple[Unavailable, ...] = (), **of: int
) -> Ranking:
    """The ranking of a made-up disk; `of`: bytes of directories of the host, by name."""
    host = tuple(PathUsage(f"/d/{name}", True, count, count, count, "") for name, count in of.items())
    held = occupancy((*shares, share(sum(of.values()), "<host>")), unread)
    one = study(UNITS, Exact(replace(held, largest_others=host), HERE), used=used)
    machine = replace(snapshot(one, VIEW), store=Scene(logs=(log("c", 1),)).snapshot().store)
    books = account(machine, one)
    return rank(one, books.ledger, books.books, trend)


def told(ranking: Ranking) -> list[tuple[str, int]]:
    return [(one.name, charged(one.bytes)) for one in most_of_it(ranking)]


def test_what_is_in_use_and_what_is_not_dockers_is_named_by_name_path_and_bytes() -> None:
    ranking = judged(
        share(300, "vol"), share(310, "rw"), share(40, "log"), share(60, "lost"), used=1500, dump=700, etc=20
    )
    assert told(ranking) == [("/d/dump", 700), ("container c's layer", 310), ("volume pg", 300)]
    assert [one.path for one in most_of_it(ranking)] == ["/d/dump", "/d/rw", "/d/vol"]
    assert [one.note for one in most_of_it(ranking)] == ["", "running", "in use by c"]


def test_what_images_share_is_the_images_and_no_ones_alone() -> None:
    assert told(judged(share(800, "base"), share(50, "top-a"), share(50, "top-b"), used=900)) == [("2 images", 900)]
    # Its layers are in the build cache too: removing it alone frees nothing, and it holds them all the same.
    assert told(judged(share(100, "base"), share(800, "top-a", "cache"), used=900)) == [("image shop/app:2", 800)]


def test_the_member_that_is_most_of_a_class_is_named_and_the_rest_competes_on_its_own() -> None:
    ranking = judged(share(500, "top-a"), share(90, "top-b"), share(80, "base"), share(200, "vol"), used=870)
    assert [(one.name, charged(one.bytes)) for one in ranking.holders] == [
        ("image shop/app:2", 500),
        ("volume pg", 200),
        ("1 more image", 170),
    ]


def test_a_cut_walk_names_nothing_the_largest() -> None:
    late = (NOT_READ,)
    assert not judged(share(100, "top-a"), share(10, "vol"), used=5000, unread=late).certain
    assert judged(share(100, "top-a"), share(10, "vol"), used=115, unread=late).certain, "only 5 bytes are anybody's"
    assert judged(share(100, "top-a"), share(10, "vol"), used=110).certain


@pytest.mark.parametrize(
    ("key", "name"),
    [("log:c", "container c's log"), ("volume:pg", "volume pg"), ("image:shop/app", "image shop/app:1")],
)
def test_growth_in_the_journal_raises_who_causes_it(key: str, name: str) -> None:
    day = Growth("used", 100, 90, 110, 9, 86400.0, None)
    mine = Growth(key, 80, 70, 90, 9, 86400.0, None)
    trend = replace(NO_TREND, oldest=NOW, growth=(day, mine))
    ranking = judged(share(600, "base"), share(50, "log"), share(40, "vol"), share(30, "top-b"), used=900, trend=trend)
    assert ranking.growing is not None
    assert ranking.growing.name == name
    assert ranking.holders[0].name == "2 images"
    slow = replace(trend, growth=(replace(day, low_bytes_per_day=0), mine))
    assert judged(share(600, "base"), share(50, "log"), used=900, trend=slow).growing is None
