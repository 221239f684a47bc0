"""Each law is broken once by hand, and says so; and a verdict is read as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from collectors.causes import host_files
from collectors.model.plan import Finding, Severity, Step
from collectors.model.reading import Exact
from tests.judgement import laws
from tests.judgement.draw import draw
from tests.judgement.host import GIB, MIB, Host, Kind, Thing
from tests.judgement.key import answer, label, way
from tests.judgement.reading import Verdict, named, ranks, word
from tests.judgement.shown import HERE, Shown


def thing(kind: Kind, name: str, size: int, **more: object) -> Thing:
    """Old, and free where nothing else is said."""
    made = Thing(kind, name, f"/{name}" if kind is Kind.DIRECTORY else name, size, 10, 24.0 * 100)
    return replace(made, **more)  # type: ignore[arg-type]


def host(*things: Thing, target_percent: int = 50, inodes: int = 10_000_000) -> Host:
    """90 % of it are used."""
    total = sum(one.own_bytes for one in things) * 10 // 9 // 4096 * 4096
    return Host(0, "made", "ext4", things, (), 0, 0, total, inodes, target_percent)


def everyday() -> Host:
    """Old cache, dangling images, a log, an orphan, a volume in use; 50 % needs all but the orphan."""
    return host(
        thing(Kind.CACHE, "RUN make wren", 1 * GIB),
        thing(Kind.DANGLING, "0123456789ab", 2 * GIB, key="sha256:0123456789ab"),
        thing(Kind.RUNNING, "tern-1", 8 * MIB, used_by="tern-1"),
        thing(Kind.LOG, "log of tern-1", 3 * GIB, key="tern-1", used_by="tern-1"),
        thing(Kind.ORPHAN, "aa" * 32, 1 * GIB, key=f"/docker/overlay2/{'aa' * 32}"),
        thing(Kind.ORPHAN, "bb" * 32, 1 * GIB, key=f"/docker/overlay2/{'bb' * 32}"),
        thing(Kind.VOLUME, "rook-data", 3 * GIB, used_by="tern-1"),
    )


def saying(shown: Shown, verdict: str) -> Shown:
    """The same, with another verdict."""
    shown.__dict__["report"] = replace(shown.report, verdict=verdict)
    return shown


def with_steps(shown: Shown, change: Callable[[tuple[Step, ...]], Iterable[Step]]) -> Shown:
    """The same, with other steps to the target."""
    plan = shown.planned.plan
    shown.__dict__["planned"] = replace(shown.planned, plan=replace(plan, steps=tuple(change(plan.steps))))
    return shown


def test_what_is_made_here_breaks_no_law_of_the_plan() -> None:
    shown = Shown(everyday())
    assert [law(shown) for law in laws.LAWS[7:]] == [""] * 8
    assert way(shown.host).harms == (0, 1, 2)


def test_a_small_one_named_first_is_noticed() -> None:
    shown = saying(Shown(everyday()), "90% used: 8.0 MiB in tern-1's layer · nothing")
    assert laws.nothing_is_named_while_a_holder_twice_its_size_is_not(shown).startswith("tern-1 ")
    saying(shown, "90% used: 3.0 GiB in volume rook-data, 3.0 GiB in tern-1's log · nothing")
    assert not laws.nothing_is_named_while_a_holder_twice_its_size_is_not(shown)


def test_one_of_two_equals_named_alone_is_noticed() -> None:
    shown = saying(Shown(everyday()), "90% used: 3.0 GiB in volume rook-data (in use by tern-1) · nothing")
    assert "log of tern-1" in laws.none_is_named_alone_beside_its_equal(shown)
    saying(shown, "90% used: 3.0 GiB in volume rook-data, 3.0 GiB in tern-1's log · nothing")
    assert laws.none_is_named_alone_beside_its_equal(shown) == ""


def test_a_class_in_place_of_its_one_large_member_is_noticed() -> None:
    made = host(*(thing(Kind.VOLUME, f"v{n}-data", n**4 * MIB) for n in range(2, 8)))
    assert laws.a_class_is_named_only_where_no_member_holds_60_percent(saying(Shown(made), "3 GiB in 6 volumes")) == ""
    made = host(*(thing(Kind.VOLUME, f"v{n}-data", n**8 * MIB) for n in range(2, 8)))
    found = laws.a_class_is_named_only_where_no_member_holds_60_percent(saying(Shown(made), "3 GiB in 6 volumes"))
    assert "v7-data" in found


def test_a_superlative_that_an_unread_one_could_beat_is_noticed() -> None:
    made = host(thing(Kind.VOLUME, "a-data", 4 * GIB), thing(Kind.VOLUME, "b-data", 5 * GIB, read_share=0.1))
    said = saying(Shown(made), "90% used: largest: volume a-data")
    assert "b-data" in laws.no_superlative_over_what_another_may_beat(said)
    assert laws.no_superlative_over_what_another_may_beat(saying(said, "90% used: at least volume a-data")) == ""


def test_the_figures_of_the_other_resource_are_noticed() -> None:
    made = host(thing(Kind.VOLUME, "a-data", GIB), thing(Kind.DIRECTORY, "srv", GIB), inodes=21)
    made = replace(made, total_bytes=10 * GIB)
    assert made.short_of_inodes
    assert laws.the_figures_are_those_of_what_is_short(saying(Shown(made), "3.0 GiB in volume a-data"))
    assert not laws.the_figures_are_those_of_what_is_short(saying(Shown(made), "10 inodes in volume a-data"))
    assert laws.the_figures_are_those_of_what_is_short(saying(Shown(everyday()), "10 inodes in volume rook-data"))


def test_a_verdict_that_is_too_long_is_noticed() -> None:
    assert laws.the_verdict_fits_two_rows(saying(Shown(everyday()), "x" * 161))


def test_a_fill_that_no_steps_lead_to_is_noticed() -> None:
    shown = Shown(everyday())
    (after, *_) = {shown.host.percent_after(step.targets) for step in shown.report.plan.steps[:1]}
    assert laws.where_the_plan_leads_is_true(saying(shown, f"x · y → {after}%")) == ""
    assert laws.where_the_plan_leads_is_true(saying(shown, f"x · y → {after - 1}%"))


def test_a_step_that_removes_data_is_noticed_whatever_it_is_called() -> None:
    made = replace(everyday(), target_percent=5)
    free = replace(made, things=tuple(replace(t, used_by="") if t.kind is Kind.VOLUME else t for t in made.things))
    shown = Shown(free)
    (volume,) = shown.planned.plan.for_person
    disguised = replace(volume, harm=shown.planned.plan.steps[-1].harm)
    with_steps(shown, lambda steps: (*steps, disguised))
    assert "rook-data" in laws.no_step_is_somebodys_data(shown)
    assert "rook-data" in laws.harms_rise_and_none_is_told_too_mild(shown)


def test_harms_out_of_their_order_are_noticed() -> None:
    assert laws.harms_rise_and_none_is_told_too_mild(with_steps(Shown(everyday()), lambda steps: steps[::-1]))


def test_a_milder_step_that_was_left_out_is_noticed() -> None:
    shown = Shown(everyday())
    orphans = next(step for step in shown.report.plan.steps if step.cause == "orphans")
    with_steps(shown, lambda steps: (*(step for step in steps if step.harm != 1), orphans))
    assert laws.no_step_of_more_harm_than_one_left_out_that_would_serve(shown)


def test_a_target_that_is_not_as_told_is_noticed() -> None:
    shown = with_steps(Shown(everyday()), lambda steps: steps[:-1])
    assert laws.the_target_is_reached_where_it_can_be_and_the_rest_is_told(shown)


def test_a_step_too_many_is_noticed() -> None:
    logs = [thing(Kind.LOG, f"log of c{n}", n * GIB, key=f"c{n}", used_by=f"c{n}") for n in (1, 2, 3)]
    running = [thing(Kind.RUNNING, f"c{n}", 4096, used_by=f"c{n}") for n in (1, 2, 3)]
    shown = Shown(host(*logs, *running, target_percent=60))
    assert len(shown.planned.plan.steps) == 1
    assert not laws.few_steps_are_the_best_of_all_choices(shown)
    with_steps(shown, lambda steps: shown.report.plan.steps)
    assert "would do" in laws.few_steps_are_the_best_of_all_choices(shown)


def test_bytes_that_would_not_come_free_are_noticed() -> None:
    shown = Shown(everyday())
    plan = shown.report.plan
    shown.__dict__["report"] = replace(shown.report, plan=replace(plan, unlocks=plan.unlocks[1:]))
    assert laws.what_is_foretold_is_what_would_come_free(shown)
    assert laws.subtotals_add_up(shown)


def test_a_step_that_does_not_add_up_is_noticed() -> None:
    wrong = with_steps(Shown(everyday()), lambda steps: (replace(steps[0], frees=Exact(7, HERE)), *steps[1:]))
    assert laws.subtotals_add_up(wrong)


def test_a_finding_without_an_answer_is_noticed() -> None:
    shown = Shown(everyday())
    left = Finding(host_files.ID, Severity.P3, "bytes", Exact(GIB, HERE), (), "look", (), True)
    shown.__dict__["report"] = replace(shown.report, findings=(left,))
    assert laws.every_finding_with_bytes_has_a_step_or_a_reason(shown)


def test_a_log_and_its_container_are_told_apart() -> None:
    log = thing(Kind.LOG, "log of tern-1", 1, used_by="tern-1")
    layer = thing(Kind.RUNNING, "tern-1", 1)
    patterns = {"log": label(log), "layer": label(layer)}
    assert named("3 GiB in tern-1's log (no size limit)", patterns) == ("log",)
    assert named("3 GiB in the log of tern-1", patterns) == ("log",)
    assert named("3 GiB in tern-1's layer", patterns) == ("layer",)
    assert named("2 GiB in tern-1's layer, 1 GiB in tern-1's log", patterns) == ("layer", "log")
    assert named("2 GiB in stern-1, tern-12 and x/tern-1", patterns) == ()


def test_the_first_name_is_that_of_the_clause_that_names_anything() -> None:
    verdict = Verdict("P1 at 90% used · 2 GiB in volume a-data, 1 GiB in /srv/b · 3 images come back")
    labels = {"b": word("/srv/b"), "a": word("a-data"), "images": r"\bimages\b"}
    assert verdict.first(labels) == "a"
    assert named(verdict.holding(labels), labels) == ("a", "b")
    assert not ranks("at most 3 GiB, at the most 4")
    assert ranks("largest: a")


def test_near_equals_are_both_right_and_a_half_is_acceptable() -> None:
    key = answer(host(*(thing(Kind.VOLUME, n, s * MIB) for n, s in (("a", 1000), ("b", 980), ("c", 600), ("d", 100)))))
    assert key.right == {"a", "b", "volumes"}
    assert key.acceptable == {"c"}


def test_of_many_small_ones_the_class_is_right_and_none_of_them() -> None:
    key = answer(host(*(thing(Kind.VOLUME, f"v{n}", GIB) for n in range(9)), thing(Kind.LOG, "log of x", 2 * GIB)))
    assert key.right == {"volumes"}
    assert key.acceptable == frozenset()


def test_the_same_seed_draws_the_same_host() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(17)
