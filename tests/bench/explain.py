"""What explains a full disk: ullage, `docker system df` and `du`, side by side on real engines.

`python -m tests.bench.explain` brings up one lab after another, plants the same mess, and writes `explain.md`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import Lab

LABS = (
    ("overlay2", "ext4", "20.10"),
    ("overlay2", "btrfs", "20.10"),
    ("btrfs", "btrfs", "20.10"),
    ("vfs", "ext4", "20.10"),
    ("containerd", "ext4", "26.1"),
)
MESS = "everyday+culprits"
_SIZE = re.compile(r"([\d.]+)(B|kB|MB|GB|TB)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Explained:
    """Bytes that each of the three accounts for, out of `used_bytes`."""

    name: str
    used_bytes: int
    ullage_bytes: int
    system_df_bytes: int
    du_bytes: int
    document: dict[str, Any]

    def share(self, count: int) -> str:
        return f"{100 * count / self.used_bytes:.1f} %"


def study(lab: Lab) -> Explained:
    """One lab, asked all three ways."""
    document = preflight(lab)
    used = document["filesystem"]["used_bytes"]
    left = next(row["bytes"] for row in document["ledger"] if row["category"] == "unattributed")
    table = lab.docker("system", "df", "--format", "{{.Size}}")
    claimed = sum(round(float(found[1]) * _UNITS[found[2]]) for found in _SIZE.finditer(table))
    du = subprocess.run(["du", "-sx", "--block-size=1", lab.docker_root], capture_output=True, text=True, check=False)
    name = f"{lab.driver} on {lab.fs}, engine {lab.engine}"
    return Explained(name, used, used - abs(left), claimed, int(du.stdout.split()[0]), document)


def preflight(lab: Lab, host: str = "", *, by: str = "project") -> dict[str, Any]:
    """The report of a lab as a document; `host`: of another engine than its own; `by`: what it is to bill by, too."""
    command = [sys.executable, "-m", "collectors", "--preflight", "--format", "json", "--no-journal", "--no-state"]
    ended = subprocess.run(
        [*command, "--by", by.replace(":", "="), "--host", host or lab.host],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def table(rows: list[Explained]) -> str:
    """The comparison as Markdown."""
    lines = [
        f"Mess `{MESS}`. Shares of what the filesystem calls used. `docker system df` counts logical bytes, `du -sx`",
        "only the Docker root (on btrfs each subvolume in full): both may say more than there is.",
        "",
        "| Lab | Used | ullage explains | `docker system df` says | `du -sx` of the Docker root says |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        shares = " | ".join(row.share(n) for n in (row.ullage_bytes, row.system_df_bytes, row.du_bytes))
        lines.append(f"| {row.name} | {row.used_bytes / 2**20:.1f} MiB | {shares} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    rows = []
    for driver, fs, engine in LABS:
        with Lab.up(driver=driver, fs=fs, engine=engine, mess=MESS, size_mib=2048) as lab:
            rows.append(study(lab))
    text = table(rows)
    Path(__file__).with_suffix(".md").write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
