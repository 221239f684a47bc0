"""One lab for many interleavings: bystanders that nobody may touch, what is there as a set of facts, and the way back.

A fact is one line on one thing that is there: an image, a name of it, a container and that it lives, a volume, a record
of the build cache, a file with its content. What is there is read from the engine and from the disk, never from ullage.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from collectors.system import child, killable
from tests.adversary.api import Api, archive_of
from tests.lab import Lab
from tests.lab.commands import run

BASE, NAMED = "base:1", "by/named:1"
_LINES = "test -f /said || yes 'a line of a log' | head -n 400; touch /said"
KEPT_VOLUME = "kept"
_REPAIRS = 2
_REST_S = 15.0


class World:
    """`watched` are paths of the present victim; `with_records`: the build cache is looked at too."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.api = Api(lab.socket)
        self.watched: tuple[Path, ...] = ()
        self.with_records = False
        self.denied = False
        self.precious = lab.mount / "precious"
        self.filler = lab.mount / "filler"
        self._make_bystanders()
        self.baseline = self.facts()

    def _make_bystanders(self) -> None:
        lab = self.lab
        if lab.fs == "btrfs":
            run("btrfs", "subvolume", "create", self.precious)
        self._lay_precious()
        lab.client.base_image(BASE)
        self.api.load(archive_of([NAMED], [b"named" * 1000], "named"))
        lab.client.run(BASE, "runs", "echo kept > /data/file; exec sleep 100000", "-v", f"{KEPT_VOLUME}:/data")
        lab.client.run(BASE, "talks", f"{_LINES}; exec sleep 100000")
        lab.client.run(BASE, "ended", _LINES)
        lab.docker("wait", "ended")
        self.talker = str(self.api.get("/containers/talks/json")["Id"])
        self._settle()
        self._logs = {path: path.read_bytes() for path in self._log_files()}

    def _lay_precious(self) -> None:
        (self.precious / "deep").mkdir(parents=True, exist_ok=True)
        (self.precious / "letter").write_text("dear all")
        (self.precious / "deep/letter").write_text("dear others")

    def _settle(self) -> None:
        """What the bystanders write is written."""
        ends = time.monotonic() + 10.0
        while sum(path.stat().st_size > 400 * 20 for path in self._log_files()) < 2 and time.monotonic() < ends:
            time.sleep(0.05)
        os.sync()

    def _log_files(self) -> list[Path]:
        return sorted((self.lab.docker_root / "containers").glob("*/*-json.log"))

    @property
    def talker_log(self) -> Path:
        """The log of the container that talked and lives."""
        return self.lab.docker_root / "containers" / self.talker / f"{self.talker}-json.log"

    def facts(self) -> frozenset[str]:
        """Everything that is there. Raises OSError where the engine is not."""
        return frozenset((*self._engine_facts(), *self._disk_facts()))

    def come_to_rest(self) -> None:
        """An engine that has just come ends the containers of the one before by and by: that is its doing alone."""
        ends, before = time.monotonic() + _REST_S, None
        while (now := self.facts()) != before and time.monotonic() < ends:
            before = now
            time.sleep(1.0)

    def _engine_facts(self) -> Iterator[str]:
        for image in self.api.get("/images/json", all="1"):
            yield f"image {image['Id']}"
            yield from (f"tag {tag} {image['Id']}" for tag in image["RepoTags"] or () if "<none>" not in tag)
        for one in self.api.get("/containers/json", all="1"):
            yield f"container {one['Id']} {one['Names'][0][1:]} of {one['ImageID']}"
            if one["State"] == "running" and self._lives(one["Id"]):
                yield f"running {one['Id']}"
        yield from (f"volume {volume['Name']}" for volume in self.api.get("/volumes")["Volumes"] or ())
        if self.with_records:
            yield from (f"record {record}" for record in self.records())

    def records(self) -> list[str]:
        """Ids of the build cache."""
        return [record["ID"] for record in self.api.get("/system/df").get("BuildCache") or ()]

    def leaf_record(self) -> str:
        """One that no other is built on, and no image shares."""
        cache = self.api.get("/system/df")["BuildCache"]
        parents = {name for record in cache for name in (record.get("Parent"), *(record.get("Parents") or ()))}
        return next(
            str(r["ID"]) for r in cache if r["ID"] not in parents and not r["Shared"] and r["Type"] == "regular"
        )

    def _lives(self, container: str) -> bool:
        """Its process, and its root filesystem, down to a file of its image."""
        pid = self.api.get(f"/containers/{container}/json")["State"]["Pid"]
        try:
            return Path(f"/proc/{pid}/root/bin/busybox").read_bytes()[:4] == b"\x7fELF"
        except OSError:
            return False

    def _disk_facts(self) -> Iterator[str]:
        roots = (self.precious, self.lab.docker_root / "volumes", *self.watched)
        for root in roots:
            yield from _entries(root)
        for log in self._log_files():
            if log.is_symlink() or log.stat().st_size:  # an empty one holds nothing
                yield from _entries(log)

    def broken(self) -> list[str]:
        """Named images that the engine cannot give out whole."""
        found = []
        for image in self.api.get("/images/json"):
            for tag in image["RepoTags"] or ():
                answer = self.api.ask("GET", f"/images/{tag}/get") if "<none>" not in tag else None
                if answer is not None and b"manifest.json" not in answer.body:
                    found.append(f"{tag} does not save: {answer.status} {answer.body[:200]!r}")
        return found

    def alive(self) -> None:
        """The engine answers again, with all its ways open."""
        self.denied = False
        self.filler.unlink(missing_ok=True)
        self.lab.start_engine()

    def reset(self) -> None:
        """The world as it was, however it looks now."""
        self.alive()
        for path in self.watched:
            _take_away(path)
        for aside in self.lab.mount.glob("**/*.aside"):
            _take_away(aside)
        self.watched, self.with_records = (), False
        self.forget_builds()  # what they hold of an image is in no plan
        for path, content in self._logs.items():
            _unmount(path)
            subprocess.run(["chattr", "-i", path], stderr=subprocess.DEVNULL, check=False)
            if path.is_symlink():
                path.unlink()
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
        for _ in range(_REPAIRS):
            if (now := self.facts()) == self.baseline:
                return
            self._repair(now)
        # An engine that was killed may still be taking leave of its containers: begun anew, it is through with that.
        self.lab.stop_engine()
        self.lab.start_engine()
        self._repair(self.facts())
        if (now := self.facts()) != self.baseline:
            raise RuntimeError(f"the lab cannot be put back: {sorted(now ^ self.baseline)}")

    def _repair(self, now: frozenset[str]) -> None:
        new, lost = now - self.baseline, self.baseline - now
        self._lay_precious()
        for line in sorted(new):
            kind, name = line.split()[:2]
            if kind == "container":
                self.api.ask("DELETE", f"/containers/{name}", {"force": "1", "v": "1"})
        for line in sorted(new):
            kind, name = line.split()[:2]
            match kind:
                case "tag" if f"tag {name} " not in " ".join(self.baseline):
                    self.api.ask("DELETE", f"/images/{name}", {"force": "1"})
                case "image":
                    self.api.ask("DELETE", f"/images/{name}", {"force": "1"})
                case "volume":
                    self.api.ask("DELETE", f"/volumes/{name}", {"force": "1"})
        for line in sorted(lost):
            words = line.split()
            if words[0] == "tag":
                self.api.tag(words[2], words[1])
            elif words[0] == "running":
                self.api.start(words[1])

    def forget_builds(self) -> None:
        """Without build cache."""
        self.api.ask("POST", "/build/prune", {"all": "1"})


def _entries(root: Path) -> Iterator[str]:
    """One line for each thing at and below a path, in it what it holds; nothing for what is not there."""
    try:
        if root.is_symlink():
            yield f"entry {root} -> {root.readlink()}"
        elif root.is_dir():
            yield f"entry {root} /"
            for inner in sorted(root.iterdir()):
                if inner.name not in ("metadata.db", "backingFsBlockDev"):
                    yield from _entries(inner)
        elif root.is_file():
            yield f"entry {root} {hashlib.sha256(root.read_bytes()).hexdigest()[:16]}"
    except FileNotFoundError:
        return


def _take_away(path: Path) -> None:
    """Also what is immutable, mounted on or a subvolume; nothing behind a mount or a link."""
    _unmount(path)
    if path.is_symlink() or path.is_file():
        subprocess.run(["chattr", "-ia", path], stderr=subprocess.DEVNULL, check=False)
        path.unlink()
    elif path.is_dir():
        subprocess.run(["chattr", "-R", "-ia", path], stderr=subprocess.DEVNULL, check=False)
        if path.stat().st_ino == 256:
            run("btrfs", "subvolume", "delete", path)
        else:
            shutil.rmtree(path)


def _unmount(path: Path) -> None:
    """Everything at and below it."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if f"{line.split()[4]}/".startswith(f"{path}/"):
            # Where mounts are shared, one that was propagated may have gone with its like.
            subprocess.run(["umount", line.split()[4]], stderr=subprocess.DEVNULL, check=False)


@contextmanager
def walks_as_urgent_as_the_rest() -> Iterator[None]:
    """A walk gives way to everybody else; on a busy machine that would be most of the time of ten thousand runs."""
    killable.HELPER.stop()
    with patch.object(killable, "BOOT", f"import os; os.nice = lambda by: by\n{child.BOOT}"):
        try:
            yield
        finally:
            killable.HELPER.stop()


def settings_of(**changes: Any) -> dict[str, Any]:
    """Keyword arguments of the rules under which everything counts as old; of the bystanders nothing is planned."""
    return {"images": (BASE, NAMED), "containers": ("runs", "ended"), "volumes": (KEPT_VOLUME,), **changes}
