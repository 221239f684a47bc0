"""Where the journal and the vault are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.history.folder import journal, vault

EVERYTHING = {
    "OPS_JOURNAL_ROOT": "/ops/journal",
    "OPS_REPO_ROOT": "/ops/repo",
    "OPS_VAULT_ROOT": "/ops/vault",
    "XDG_STATE_HOME": "/state",
    "XDG_RUNTIME_DIR": "/run/user/0",
    "HOME": "/root",
}


def _without(*names: str) -> dict[str, str]:
    return {name: value for name, value in EVERYTHING.items() if name not in names}


@pytest.mark.parametrize(
    ("chosen", "environ", "path", "origin"),
    [
        ("here", EVERYTHING, "here", "--journal"),
        (None, EVERYTHING, "/ops/journal", "$OPS_JOURNAL_ROOT"),
        ("", EVERYTHING, "/ops/journal", "$OPS_JOURNAL_ROOT"),
        (None, EVERYTHING | {"OPS_JOURNAL_ROOT": ""}, "/ops/repo/journal/supervisor", "$OPS_REPO_ROOT"),
        (None, _without("OPS_JOURNAL_ROOT"), "/ops/repo/journal/supervisor", "$OPS_REPO_ROOT"),
        (None, _without("OPS_JOURNAL_ROOT", "OPS_REPO_ROOT"), "/state/ullage/journal", "$XDG_STATE_HOME"),
        (None, {"HOME": "/root"}, "/root/.local/state/ullage/journal", "the XDG state folder"),
        (None, {"HOME": "/root", "XDG_STATE_HOME": "x"}, "/root/.local/state/ullage/journal", "the XDG state folder"),
        (None, {}, "/var/lib/ullage/journal", "the system's state folder, for want of a home"),
    ],
)
def test_the_journal_is_where_the_first_that_speaks_says(
    chosen: str | None, environ: Mapping[str, str], path: str, origin: str
) -> None:
    found = journal(chosen, environ)
    assert (found.path, found.origin) == (Path(path), origin)


def test_the_fallback_lives_as_long_as_the_machine_runs() -> None:
    assert journal("x", {}).fallback == Path("/run/ullage/journal")
    assert journal("x", EVERYTHING).places == (Path("x"), Path("/run/user/0/ullage/journal"))


@pytest.mark.parametrize(
    ("chosen", "environ", "path"),
    [
        ("here", EVERYTHING, Path("here")),
        (None, EVERYTHING, Path("/ops/vault")),
        (None, _without("OPS_VAULT_ROOT"), Path("/ops/repo/vault/pending")),
        (None, {"HOME": "/root"}, None),
    ],
)
def test_a_vault_is_kept_only_where_somebody_has_one(
    chosen: str | None, environ: Mapping[str, str], path: Path | None
) -> None:
    assert vault(chosen, environ) == path
