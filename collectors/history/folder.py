"""Where the journal and the vault are, and where a run's entry goes when the journal cannot take it.

Reads only the arguments and the environment that it is handed; touches no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folder:
    """`origin` says who chose `path`, in words. `fallback` takes entries that `path` cannot, until the next boot."""

    path: Path
    origin: str
    fallback: Path | None

    @property
    def places(self) -> tuple[Path, ...]:
        """Every folder that may hold entries of this journal."""
        return (self.path,) if self.fallback is None else (self.path, self.fallback)


def journal(chosen: str | None, environ: Mapping[str, str]) -> Folder:
    """The journal's folder: `--journal`, $OPS_JOURNAL_ROOT, $OPS_REPO_ROOT/journal/supervisor, else the XDG state's."""
    fallback = _runtime(environ) / "ullage" / "journal"
    if chosen:
        return Folder(Path(chosen), "--journal", fallback)
    if root := environ.get("OPS_JOURNAL_ROOT"):
        return Folder(Path(root), "$OPS_JOURNAL_ROOT", fallback)
    if repo := environ.get("OPS_REPO_ROOT"):
        return Folder(Path(repo) / "journal" / "supervisor", "$OPS_REPO_ROOT", fallback)
    path, origin = _state(environ)
    return Folder(path / "ullage" / "journal", origin, fallback)


def vault(chosen: str | None, environ: Mapping[str, str]) -> Path | None:
    """The folder of open tasks: `--vault`, $OPS_VAULT_ROOT, $OPS_REPO_ROOT/vault/pending; None where there is none."""
    if chosen:
        return Path(chosen)
    if root := environ.get("OPS_VAULT_ROOT"):
        return Path(root)
    repo = environ.get("OPS_REPO_ROOT")
    return Path(repo) / "vault" / "pending" if repo else None


def _state(environ: Mapping[str, str]) -> tuple[Path, str]:
    # The XDG specification: a relative path in these variables is to be ignored.
    state = environ.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return Path(state), "$XDG_STATE_HOME"
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".local" / "state", "the XDG state folder"
    return Path("/var/lib"), "the system's state folder, for want of a home"


def _runtime(environ: Mapping[str, str]) -> Path:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) if runtime.startswith("/") else Path("/run")
