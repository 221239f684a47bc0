"""Every cause keeps the same laws, and what is derived from them names each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collectors import causes
from collectors.causes.base import Cause
from tests.causes.laws import ALSO_WORDS, LAWS, NO_MESS, Where, here

WHERE = here()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("cause", causes.CAUSES, ids=lambda cause: cause.id)
def test_every_cause_keeps_the_law(cause: Cause, law: Callable[[Cause, Where], None]) -> None:
    law(cause, WHERE)


def test_the_readme_has_the_table_that_the_program_makes() -> None:
    assert causes.table() in WHERE.readme


def test_what_is_stated_or_made_is_about_causes_that_there_are() -> None:
    ids = {cause.id for cause in causes.CAUSES}
    named = {*NO_MESS, *ALSO_WORDS, *(cause for made in WHERE.made.values() for cause in made)}
    assert named <= ids
