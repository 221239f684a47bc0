"""The labs that all of these tests share: one on ext4, one on btrfs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab
from tests.lab.require import require_machine
from tests.privileges.places import prepare

LABS = {"overlay2": "everyday+culprits", "btrfs": "everyday+culprits+snapshots"}


@pytest.fixture(scope="session", params=LABS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with a mess that some places see and others do not."""
    require_machine()
    with Lab.up(driver=request.param, mess=LABS[request.param], size_mib=2048) as lab:
        prepare(lab)
        yield lab
