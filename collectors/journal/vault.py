"""Open tasks for people: one Markdown file per host and rule, updated in place, closed when the rule falls silent.

Hosts may share a folder: the file's name has the host in it, its text says whose it is, and a host touches its own
only. A file of the name that earlier versions gave, without the host, is moved.

Below our part of a file people may write; it is kept. A file is only written when what we say changes, so that a task
that stands for a week is one change and not five hundred. Words arrive escaped and finished.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from collectors.journal import encoding
from collectors.model import dataclass
from collectors.model.plan import Severity
from collectors.system.folders import replace_whole

PREFIX = "supervisor-docker-storage-"
_END = "<!-- ullage: end; what stands below is kept -->"
_SINCE = re.compile(r"^Since: (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)$", re.MULTILINE)
_HOST = re.compile(r"^Host: (.*)$", re.MULTILINE)
_RESOLVED = "# Resolved: "
_RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
_NAMED = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """What one unresolved rule needs. `needed`, `what`, `why`, `unblocks`: lines in words; `tried` what was done so far
    and what it really freed. A line of `why` is `Host: ` and the host in words."""

    rule: str
    severity: Severity
    needed: str
    what: Sequence[str]
    why: Sequence[str]
    unblocks: Sequence[str]
    tried: Sequence[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What happened to the folder. `failed`: one sentence for each file that could not be read or written."""

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]
    resolved: tuple[Path, ...]
    failed: tuple[str, ...]


def keep(folder: Path, tasks: Sequence[Task], *, host: str, shown: str, now: datetime) -> Kept:
    """Makes the folder say exactly these tasks of this host, which is `shown` in words as it is in the tasks.

    Never raises for what a disk can do.
    """
    shown = encoding.markdown_line(shown)
    written: list[Path] = []
    unchanged: list[Path] = []
    resolved: list[Path] = []
    failed: list[str] = []
    wanted = {folder / f"{PREFIX}{in_a_name(host)}-{_name(task.rule)}.md": task for task in tasks}
    for path, task in wanted.items():
        try:
            _move_here(folder / f"{PREFIX}{task.rule}.md", path, shown)
            old = _read(path)
            _refuse_anothers(path, old, shown)
            text = _open(task, _since(old, now))
            (written if _write(path, old, text) else unchanged).append(path)
        except OSError as error:
            failed.append(_failure(path, error))
    for path in _present(folder):
        if path in wanted:
            continue
        try:
            old = _read(path)
            if old is not None and _is_ours(old, shown) and not old.startswith(_RESOLVED):
                _write(path, old, _close(_ours(old), now))
                resolved.append(path)
        except OSError as error:
            failed.append(_failure(path, error))
    return Kept(tuple(written), tuple(unchanged), tuple(resolved), tuple(failed))


def in_a_name(host: str) -> str:
    """A host as a part of a file's name. One that has to be cleaned gets a mark, so that no two become one."""
    low = host.lower()
    if _NAMED.fullmatch(low):
        return low
    mark = hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return "-".join(filter(None, (re.sub(r"[^a-z0-9.]+", "-", low)[:57].strip(".-"), mark)))


def _is_ours(text: str, shown: str) -> bool:
    """Did this host write it? What names no host is from before hosts were named."""
    host = _HOST.search(_ours(text).partition("\n## Why\n")[2])
    return _END in text and (host is None or host[1] == shown)


def _refuse_anothers(path: Path, text: str | None, shown: str) -> None:
    if text is not None and _END in text and not _is_ours(text, shown):
        raise OSError(f"{path.name} is a task of another host")


def _move_here(before: Path, path: Path, shown: str) -> None:
    """What stood under the name without the host, and is this host's, with all that people wrote below it."""
    if path.exists():
        return
    text = _read(before)
    if text is not None and _is_ours(text, shown):
        before.rename(path)


def _open(task: Task, since: str) -> str:
    parts = [
        f"# {encoding.markdown_line(task.needed)}",
        _section("What", task.what),
        _section("Why", (f"Priority: {task.severity.name}", f"Since: {since}", *task.why)),
    ]
    if task.tried:
        parts.append(_section(f"Tried without success: {len(task.tried)}", task.tried))
    return "\n\n".join([*parts, _section("Unblocks", task.unblocks)]) + "\n\n"


def _close(ours: str, now: datetime) -> str:
    title, _, rest = ours.partition("\n")
    return f"{_RESOLVED}{title.removeprefix('# ')}\n\nResolved: {_stamp(now)}\n{rest}"


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n\n".join([f"## {title}", "\n".join(map(encoding.markdown_line, lines))])


def _since(old: str | None, now: datetime) -> str:
    """When the task was opened first; a task that comes back is a new one."""
    ours = _ours(old) if old is not None and _END in old else ""
    found = _SINCE.search(ours)
    return found[1] if found and not ours.startswith(_RESOLVED) else _stamp(now)


def _ours(text: str) -> str:
    return text.partition(_END)[0]


def _write(path: Path, old: str | None, ours: str) -> bool:
    """Whether the file had to change. What stands below our part, or a whole file that is not ours, is kept below."""
    if old is None:
        below = "\n"
    elif _END in old:
        below = old.partition(_END)[2]
    else:
        below = "\n\n" + old
    text = ours + _END + below
    if text == old:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if old is not None else 0o644
    replace_whole(path, text.encode("utf-8", "surrogateescape"), mode=mode)
    return True


def _read(path: Path) -> str | None:
    """The file's text; None where there is none. A link, or something huge, is not ours to touch."""
    if path.is_symlink():
        raise OSError(f"{path.name} is a symbolic link")
    try:
        if path.stat().st_size > _LARGEST:
            raise OSError(f"{path.name} is larger than any task")
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _present(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(f"{PREFIX}*.md") if not path.is_symlink())
    except OSError:
        return []


def _name(rule: str) -> str:
    if not _RULE.fullmatch(rule):
        raise ValueError(f"a rule is named in kebab case, not {rule!r}")
    return rule


def _failure(path: Path, error: OSError) -> str:
    return f"cannot keep {encoding.markdown_line(str(path))}: {error.strerror or error}"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
