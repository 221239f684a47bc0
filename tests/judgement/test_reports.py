"""Public reports of full hosts on real engines, those that the shared labs serve; `--reports` tries all."""

from __future__ import annotations

import pytest

from tests.judgement.fills import OVERLAY, STORE
from tests.judgement.jury import Mark
from tests.judgement.real import Bench
from tests.judgement.reports import CASES, Case, try_case
from tests.lab.engines import NoSuchEngine
from tests.lab.require import require_machine

_LABS = {OVERLAY: "overlay2", STORE: "containerd-28.5"}
TRIED = [one for one in CASES if one.fill.home in _LABS]


@pytest.mark.machine
@pytest.mark.parametrize("one", TRIED, ids=[f"{_LABS[one.fill.home]}-{one.fill.name}" for one in TRIED])
def test_what_is_said_of_a_reported_host_is_right(one: Case) -> None:
    require_machine()
    try:
        judged = try_case(one, Bench())
    except NoSuchEngine as error:
        pytest.skip(str(error))
    assert judged.mark is not Mark.WRONG, judged.row()


def test_ten_reports_and_more_each_named_by_project_and_thread() -> None:
    names = [one.fill.name for one in CASES]
    assert len(set(names)) == len(names) >= 10
    assert all(name.count("/") == 1 and name.rpartition("#")[2].isdecimal() for name in names)
