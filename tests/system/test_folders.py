"""Where configuration, journal, vault and measured figures are, by flags and environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.system import folders

EVERYTHING = {
    "OPS_JOURNAL_ROOT": "/ops/journal",
    "OPS_REPO_ROOT": "/ops/repo",
    "OPS_VAULT_ROOT": "/ops/vault",
    "XDG_STATE_HOME": "/state",
    "XDG_RUNTIME_DIR": "/run/user/0",
    "HOME": "/root",
}


def _only(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    """The environment holds these variables, and no others that matter here."""
    for name in (*EVERYTHING, "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


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
    chosen: str | None, environ: Mapping[str, str], path: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, environ)
    found = folders.journal_folder(chosen)
    assert (found.path, found.origin) == (Path(path), origin)


def test_the_fallback_lives_as_long_as_the_machine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, {})
    assert folders.journal_folder("x").fallback == Path("/run/ullage/journal")
    _only(monkeypatch, {"XDG_RUNTIME_DIR": "relative"})
    assert folders.journal_folder("x").fallback == Path("/run/ullage/journal")
    _only(monkeypatch, EVERYTHING)
    assert folders.journal_folder("x").places == (Path("x"), Path("/run/user/0/ullage/journal"))


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
    chosen: str | None, environ: Mapping[str, str], path: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, environ)
    assert folders.vault_folder(chosen) == path


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        ({"XDG_CONFIG_HOME": "/config", "HOME": "/root"}, ["/config/ullage/config.toml"]),
        ({"XDG_CONFIG_HOME": "/config"}, ["/config/ullage/config.toml"]),
        ({"XDG_CONFIG_HOME": "", "HOME": "/root"}, ["/root/.config/ullage/config.toml"]),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/root"}, ["/root/.config/ullage/config.toml"]),
        ({}, []),
        ({"XDG_CONFIG_HOME": "relative", "HOME": ""}, []),
    ],
)
def test_the_users_configuration_comes_before_the_machines(
    environ: Mapping[str, str], user: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, environ)
    assert [str(path) for path in folders.config_files()] == [*user, "/etc/ullage.toml"]


@pytest.mark.parametrize(
    ("uid", "environ", "path"),
    [
        (0, EVERYTHING, "/var/lib/ullage"),
        (1000, EVERYTHING, "/state/ullage"),
        (1000, {"HOME": "/home/a"}, "/home/a/.local/state/ullage"),
        (1000, {"HOME": "/home/a", "XDG_STATE_HOME": "x"}, "/home/a/.local/state/ullage"),
    ],
)
def test_measured_figures_of_root_are_the_machines(
    uid: int, environ: Mapping[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, environ)
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert folders.state_folder() == Path(path)


def test_a_user_without_a_home_keeps_figures_with_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, {})
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    monkeypatch.setattr("platformdirs.user_state_path", _homeless)
    assert folders.state_folder() == Path("/var/lib/ullage")


def _homeless(name: str) -> Path:
    raise RuntimeError("could not determine the home directory")
