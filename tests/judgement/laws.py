"""DESIGN's laws of judgement, each a function of one host and what is said of it: what is broken, "" where it is kept.

What steps free, what is short and who holds what is asked of the host, which knows; never of the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import combinations

from collectors.causes import find
from collectors.model import Owner
from collectors.model.plan import Harm, Step
from collectors.model.reading import charged, floor
from tests.judgement.host import Host, Thing
from tests.judgement.key import CLASSES, dominated, freed_by, labels
from tests.judgement.reading import Verdict, named, ranks, tells_bytes, tells_inodes
from tests.judgement.shown import Shown

LONGEST = 160  # two rows of a dashboard of 80 columns
_FEW = 12  # steps that may be tried in all combinations


def nothing_is_named_while_a_holder_twice_its_size_is_not(shown: Shown) -> str:
    """Bytes that several hold count for who is named and not against who is not, so that only the certain is judged."""
    host, clause = shown.host, _holding(shown)
    told = shown.holders
    known = _named(host, clause)
    covered = {thing.name for name in known for thing in (told[name].members if name in told else ())}
    unnamed = [thing for thing in host.things if thing.name not in covered and not _of_a_named_class(clause, thing)]
    for name in known:
        holder = told.get(name)
        if holder is None or any(thing.grows_bytes_per_day for thing in holder.members):
            continue
        larger = [thing for thing in unnamed if host.least(thing) > 2 * holder.most]
        if larger:
            return f"{name} ({holder.most}) is named, and {larger[0].name} ({host.least(larger[0])}) is not: {clause}"
    return ""


def none_is_named_alone_beside_its_equal(shown: Shown) -> str:
    """Of two that are as large both are named; where a walk was cut short, how far it came takes the room."""
    host, clause = shown.host, _holding(shown)
    known = _named(host, clause)
    told = shown.holders
    if len(known) != 1 or known[0] not in told or host.cut or "growing" in clause:
        return ""
    for thing in host.things:
        covered = thing.name in known or _of_a_named_class(clause, thing)
        if not covered and host.least(thing) >= 0.9 * told[known[0]].most:
            return f"{thing.name} ({host.least(thing)}) is as large as {known[0]} ({told[known[0]].most}): {clause}"
    return ""


def a_class_is_named_only_where_no_member_holds_60_percent(shown: Shown) -> str:
    host, clause = shown.host, _holding(shown)
    known = _named(host, clause)
    for one in CLASSES:
        members = one.of(host)
        if one.word not in known or not members:
            continue
        top = max(members, key=host.least)
        if dominated(host, members) and top.name not in known:
            return f"{top.name} holds most of its class, which is named in its place: {clause}"
    return ""


def no_superlative_over_what_another_may_beat(shown: Shown) -> str:
    host = shown.host
    clause = next((one for one in Verdict(shown.report.verdict).clauses if ranks(one)), "")
    top = next((host.by_name[name] for name in _named(host, clause) if name in host.by_name), None)
    if top is None:
        return ""
    sure = host.most(top) if top.read_share == 1 else host.least(top)
    for other in host.things:
        may_be = host.most(other) if other.read_share < 1 else host.least(other)
        if other is not top and may_be > sure:
            return f"{other.name} may hold {may_be}, {top.name} holds {sure} for certain: {clause}"
    return ""


def the_figures_are_those_of_what_is_short(shown: Shown) -> str:
    host, clause = shown.host, _holding(shown)
    if not clause:
        return ""
    if host.short_of_inodes:
        return "" if tells_inodes(clause) and not tells_bytes(clause) else f"inodes are short, and it says: {clause}"
    return f"bytes are short, and it says: {clause}" if tells_inodes(clause) else ""


def the_verdict_fits_two_rows(shown: Shown) -> str:
    text = shown.report.verdict
    return f"{len(text)} characters: {text}" if len(text) > LONGEST else ""


def where_the_plan_leads_is_true(shown: Shown) -> str:
    """The fill after what comes back is that after the steps of some harm and all below it."""
    host, told = shown.host, re.search(r"→ (\d+)%", shown.report.verdict)
    if told is None or host.cut:
        return ""
    steps = shown.report.plan.steps
    leads = {host.percent_after(_owners(s for s in steps if s.harm <= harm)) for harm in Harm}
    return "" if int(told[1]) in leads else f"it leads to {sorted(leads)}: {shown.report.verdict}"


def no_step_is_somebodys_data(shown: Shown) -> str:
    """In a plan to a target nothing whose loss only its owner can judge, and nothing that is in use."""
    for step in shown.planned.plan.steps:
        worst = _harms(shown.host, step)
        if step.harm >= Harm.DATA or any(harm is None or harm >= Harm.DATA for harm in worst):
            return f"{step.title}: harm {step.harm}, by what it removes {worst}"
    return ""


def harms_rise_and_none_is_told_too_mild(shown: Shown) -> str:
    for report in (shown.report, shown.planned):
        told = [step.harm for step in report.plan.steps]
        if told != sorted(told):
            return f"harms in the order {told}"
        for step in report.plan.steps:
            worst = max((harm for harm in _harms(shown.host, step) if harm is not None), default=0)
            if step.harm < worst:
                return f"{step.title} is said to cost {step.harm}, and removes what costs {worst}"
    return ""


def no_step_of_more_harm_than_one_left_out_that_would_serve(shown: Shown) -> str:
    """What was not read may count by the engine's word or not at all: then it is broken only if it is so both ways."""
    found = [_spared(shown, host) for host in dict.fromkeys((shown.host, shown.host.whole))]
    return found[0] if all(found) else ""


def _spared(shown: Shown, host: Host) -> str:
    if host.needed <= 0:
        return f"{len(shown.planned.plan.steps)} steps where none is needed" if shown.planned.plan.steps else ""
    taken = shown.planned.plan.steps
    left_out = [step for step in shown.report.plan.steps if step.id not in shown.planned.plan.ids]
    if not _reaches(host, taken):
        return f"it does not lead there, and leaves out {left_out[0].title}" if _helps(host, taken, left_out) else ""
    for step in taken:
        others = [one for one in taken if one is not step]
        for milder in (one for one in left_out if one.harm < step.harm):
            if _reaches(host, [*others, milder]):
                return f"{milder.title} ({milder.harm}) would do in place of {step.title} ({step.harm})"
    last = max((step.harm for step in taken), default=Harm.NONE)
    below = [step for step in shown.report.plan.steps if step.harm < last]
    return f"everything below harm {last} would do" if _reaches(host, below) else ""


def the_target_is_reached_where_it_can_be_and_the_rest_is_told(shown: Shown) -> str:
    host, plan = shown.host, shown.planned.plan
    short = max(0, host.needed - host.freed(_owners(plan.steps)))
    if plan.target is None:
        return "nothing is said of the target"
    if host.cut:
        return ""  # what lacks may be told by the engine's word
    told = plan.target.short_inodes if host.target_is_of_inodes else plan.target.short_bytes
    if told != short:
        return f"{short} lack, and it says {told}"
    return f"{short} lack, and they could be had" if short and freed_by(host, 3) >= host.needed else ""


def few_steps_are_the_best_of_all_choices(shown: Shown) -> str:
    """Of the last harm: least of what only may be asked for, fewest, then most bytes; tried in all combinations."""
    host, taken = shown.host, shown.planned.plan.steps
    if host.cut or not taken or not _reaches(host, taken):
        return ""
    last = max(step.harm for step in taken)
    lower = [step for step in shown.report.plan.steps if step.harm < last]
    choice = [step for step in shown.report.plan.steps if step.harm == last]
    if len(choice) > _FEW:
        return ""
    chosen = [step for step in taken if step.harm == last]
    mine = _cost(chosen)
    best = 0
    for count in range(len(choice) + 1):
        for some in combinations(choice, count):
            if _cost(some) <= mine and _reaches(host, [*lower, *some]):
                if _cost(some) < mine:
                    return f"{[s.title for s in some]} would do, and {[s.title for s in chosen]} was chosen"
                best = max(best, host.freed(_owners([*lower, *some])))
    freed = host.freed(_owners(taken))
    return f"{freed}, where {best} could be had" if freed < 0.99 * best else ""


def what_is_foretold_is_what_would_come_free(shown: Shown) -> str:
    for report in (shown.report, shown.planned):
        freed = _freed(shown.host, report.plan.steps)
        told = report.plan.frees_bytes(report.plan.ids)
        if told != freed:
            return f"{told} bytes are foretold, {freed} would come free"
    return ""


def subtotals_add_up(shown: Shown) -> str:
    for report in (shown.report, shown.planned):
        so_far: list[Step] = []
        for total in report.plan.harms():
            before = _freed(shown.host, so_far)
            so_far += total.steps
            after = _freed(shown.host, so_far)
            if (total.frees_bytes, total.so_far_bytes) != (after - before, after):
                return (
                    f"harm {total.harm}: {total.frees_bytes} of {total.so_far_bytes}, not {after - before} of {after}"
                )
            least, most = (sum(size(step.frees) for step in total.steps) for size in (floor, charged))
            if not least <= total.frees_bytes <= most:  # an estimate counts as much as is certain, or its best
                return f"the steps of harm {total.harm} do not add up to {total.frees_bytes}"
        if tuple(so_far) != report.plan.steps:
            return "a step is in no subtotal"
    return ""


def every_finding_with_bytes_has_a_step_or_a_reason(shown: Shown) -> str:
    for report in (shown.report, shown.planned):
        plan = report.plan
        steps = (*shown.report.plan.steps, *shown.report.plan.for_person)
        asked = {step.rule for step in steps} | {step.cause for step in steps}
        targets = {target for step in steps for target in step.targets}
        for finding in report.findings:
            cause = find(finding.rule)
            if finding.bytes is None or not charged(finding.bytes) or cause is None or cause.symptom:
                continue
            answered = finding.rule in asked or targets & set(finding.owners)
            if not answered and not plan.answers.get(finding.rule):
                return f"{finding.rule}: {finding.claim}"
    return ""


LAWS: tuple[Callable[[Shown], str], ...] = (
    nothing_is_named_while_a_holder_twice_its_size_is_not,
    none_is_named_alone_beside_its_equal,
    a_class_is_named_only_where_no_member_holds_60_percent,
    no_superlative_over_what_another_may_beat,
    the_figures_are_those_of_what_is_short,
    the_verdict_fits_two_rows,
    where_the_plan_leads_is_true,
    no_step_is_somebodys_data,
    harms_rise_and_none_is_told_too_mild,
    no_step_of_more_harm_than_one_left_out_that_would_serve,
    the_target_is_reached_where_it_can_be_and_the_rest_is_told,
    few_steps_are_the_best_of_all_choices,
    what_is_foretold_is_what_would_come_free,
    subtotals_add_up,
    every_finding_with_bytes_has_a_step_or_a_reason,
)


def _holding(shown: Shown) -> str:
    verdict = shown.report.verdict
    return Verdict(verdict).holding(labels(shown.host, verdict))


def _named(host: Host, clause: str) -> tuple[str, ...]:
    return named(clause, labels(host, clause))


def _of_a_named_class(clause: str, thing: Thing) -> bool:
    return any(thing.kind in one.kinds for one in CLASSES if named(clause, {one.word: one.pattern}))


def _owners(steps: Iterable[Step]) -> set[Owner]:
    return {target for step in steps for target in step.targets}


def _freed(host: Host, steps: Iterable[Step]) -> int:
    return host.freed_bytes(_owners(steps))


def _reaches(host: Host, steps: Iterable[Step]) -> bool:
    return host.freed(_owners(steps)) >= host.needed


def _helps(host: Host, taken: Iterable[Step], more: Iterable[Step]) -> bool:
    """Would the others free anything besides?"""
    mine = list(taken)
    return host.freed(_owners([*mine, *more])) > host.freed(_owners(mine))


def _harms(host: Host, step: Step) -> list[int | None]:
    by_owner = {thing.owner: host.harm(thing) for thing in host.things if thing.owner is not None}
    return [by_owner.get(target, 0) for target in step.targets]


def _cost(steps: Iterable[Step]) -> tuple[int, int]:
    some = list(steps)
    return sum(not step.unasked for step in some), len(some)
