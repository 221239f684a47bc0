"""Words that several causes share: commands a person could type, and why nothing is proposed. Pure.

The command that a person could type for a step. Shell-quoted; shown, never run.

Why a cause proposes nothing for some of its things: one sentence each, the same for every kind of thing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from collectors.model.filesystem import Mount
from collectors.model.reading import Reading, Unavailable, Why

# Reasons why something stays, after "it is" or "they are"; each with what lifts it.
KEPT = "kept by a label or pattern of the [keep] table in the configuration"
NO_AGE = "of unknown age (--min-age 0 goes without it)"

NOTHING_MOUNTED = "nothing is mounted inside (findmnt shows it): rm goes through a bind mount of the same filesystem"

# What supervisors look for in a page, and what hides the rest of one.
_MARKS = re.compile(r"Disk:|<!--")


def quote(word: str) -> str:
    """One word for a POSIX-like shell; control characters as bash's $'…', so that the line stays one harmless line."""
    if word.isprintable() and not _MARKS.search(word):
        return shlex.quote(word)
    escaped = "".join(_escape(char) for char in word)
    return f"$'{escaped}'"


def line(*words: str) -> str:
    """A command line of quoted words."""
    return " ".join(quote(word) for word in words)


def remove_trees(*paths: str) -> str:
    """Directories with all that is in them; to be shown with NOTHING_MOUNTED."""
    return line("rm", "-rf", "--one-file-system", "--", *paths)


def each_record(tool: str, ids: Iterable[str], *, all_: bool) -> str:
    """Build-cache records one by one: the engine takes one id a call, and the youngest of a chain goes first."""
    names = " ".join(quote(one) for one in ids)
    more = " --all" if all_ else ""
    return f"for id in {names}; do {tool} builder prune --force{more} --filter id=$id; done"


def old_cache(tool: str, kinds: Iterable[str], age_s: float) -> str:
    """Unused, unshared records of these kinds that nobody used for so long."""
    until = ("--filter", f"until={max(1, round(age_s / 3600))}h") if age_s else ()
    parts = (line(tool, "builder", "prune", "--force", *until, "--filter", f"type={kind}")
             for kind in kinds)  # fmt: skip
    return " && ".join(parts)


def reachable(mount: Mount, below_top: str) -> str:
    """A subvolume's path below the filesystem's top level, as it is seen under `mount`.

    One that lies outside what is mounted there is named below the top level, which then has to be mounted first.
    """
    inside = mount.root.strip("/")
    if inside and not f"{below_top}/".startswith(f"{inside}/"):
        return f"<top level>/{below_top}"
    rest = below_top[len(inside) :].strip("/")
    return f"{mount.mountpoint.rstrip('/')}/{rest}"


def truncate_log(path: str, rotated: Iterable[str], tail_bytes: int) -> str:
    """Keep the end, empty the live file in place, remove its rotated siblings."""
    tail = f"tail -c {tail_bytes} {quote(path)} > {quote(path.rpartition('/')[2] + '.tail')}"
    parts = [tail, line("truncate", "-s", "0", path)]
    old = tuple(rotated)
    if old:
        parts.append(line("rm", "--", *old))
    return " && ".join(parts)


def end_process(pid: int, started_ticks: int) -> str:
    """Ask a process to end, unless its number is another process's by now: when it started is field 22 of its stat.

    The command in that line, in parentheses, may hold spaces and parentheses itself.
    """
    return f"awk '{{sub(/.*[)] /, \"\"); exit $20 != {started_ticks}}}' /proc/{pid}/stat && kill {pid}"


def wait_for_cleaner(mountpoint: str) -> str:
    """Commit, which wakes the cleaner, and wait until no dropped subvolume is left."""
    return f"{line('btrfs', 'filesystem', 'sync', mountpoint)} && {line('btrfs', 'subvolume', 'sync', mountpoint)}"


def balance(mountpoint: str, usage_percent: int, limit: int) -> str:
    """Rewrite at most `limit` data chunks that are filled to less than `usage_percent`."""
    return line("btrfs", "balance", "start", f"-dusage={usage_percent},limit={limit}", mountpoint)


def _escape(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable() and char not in ":<":
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def unread(what: str, reading: Reading[object]) -> tuple[str, ...]:
    """Nothing is proposed for a kind of thing that could not be listed; not a word where there is no such thing."""
    why = f" ({reading.why}: {reading.detail})" if isinstance(reading, Unavailable) else ""
    absent = isinstance(reading, Unavailable) and reading.why is Why.NOT_APPLICABLE
    return () if absent else (f"{what}: no step, because it could not be listed{why}.",)


def kept(count: int, what: str, by: str) -> str:
    return f"{count} {what} {are(count)} kept by a {by} of the [keep] table in the configuration."


def in_use(count: int, what: str) -> str:
    it = "it" if count == 1 else "them"
    return f"{count} {what} {are(count)} in use: no step, unless the containers that use {it} are removed."


def because(reasons: Mapping[str, int], nothing: str) -> str:
    """Why a finding has no step, for `Proposal.reason`: how many of its things stay for which reason.

    `nothing` stands where none of them was there any more when the plan was made.
    """
    told = [f"{count} {are(count)} {why}" for why, count in reasons.items() if count]
    return ", and ".join(told) or nothing


def are(count: int) -> str:
    return "is" if count == 1 else "are"
