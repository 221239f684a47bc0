"""Full hosts that people have reported in public, made again on real engines, with the right answer beside each.

Sources are threads of public projects; what was seen is made again in our own way, none of their words is used.
`python -m tests.judgement --reports --write` tries all and keeps the table.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from collectors.causes import find
from collectors.model.reading import Exact, charged
from collectors.model.report import Report
from tests.judgement.fills import EVERYDAY, OVERLAY, PODMAN, STORE, layer_of, log_of
from tests.judgement.jury import Judged
from tests.judgement.real import Answer, Bench, Fill, Home, Make, look, put, try_fill, until
from tests.lab import Lab, registry
from tests.lab.messes._write import MIB, age, random_file
from tests.ledger.coverage import of_engine

_LEAST_EXPLAINED = 99.9
ABOUT = """# Reported hosts

`python -m tests.judgement --reports --write`: full hosts from public threads, made again on real engines. Right is: the
verdict names the thing, 99.9 % and more of used is explained, in every category the items hold the row's bytes, and the
plan has a step or a reason for every finding with bytes.

| Report | Made again as | Named first | Mark |
|---|---|---|---|"""
# Made again by tests of their own, with the same demands.
ELSEWHERE = """
| Report | Test |
|---|---|
| how to clean unused images, just like docker system prune, k3s-io/k3s#1900 | tests/machine/test_containerd_alone.py |
| Cannot clean up blobs data, containerd/nerdctl#2048 | tests/machine/test_containerd_alone.py: a namespace apart |
| Migration steps to containerd should include details for those not using the default docker data path, \
docker/docs#24010 | tests/machine/test_containerd_alone.py: the engine's root on another disk |"""


@dataclass(frozen=True, slots=True)
class Case:
    """`source`: title, project and thread; `recipe`: how it is made here."""

    source: str
    recipe: str
    fill: Fill

    def row(self, judged: Judged) -> str:
        """A line of the table that is kept: no more of the verdict than who it names."""
        cells = (self.source, f"{self.recipe} ({self.fill.home})", judged.first or "–", str(judged.mark))
        return "| " + " | ".join(cells) + " |"


CASES: list[Case] = []


def case(source: str, recipe: str, home: Home, answer: Answer) -> Callable[[Make], Make]:
    """Enter a report: the function makes it, yields while it stands, and takes it away."""

    def enter(make: Make) -> Make:
        CASES.append(Case(source, recipe, Fill(source.rpartition(", ")[2], home, answer, make)))
        return make

    return enter


def try_case(one: Case, bench: Bench) -> Judged:
    """As a fill, and everything is explained, held by an item and answered by the plan."""
    broken: list[str] = []
    inner = one.fill.answer.check

    def check(lab: Lab, said: Report) -> str:
        broken.extend(_not_whole(lab, said))
        broken.append(inner(lab, said) if inner is not None else "")
        return "; ".join(why for why in broken if why)

    answer = _with_check(one.fill.answer, check)
    return try_fill(Fill(one.fill.name, one.fill.home, answer, one.fill.make), bench)


def _with_check(answer: Answer, check: Callable[[Lab, Report], str]) -> Answer:
    return replace(answer, check=check, until_percent=min(answer.until_percent or 40.0, 40.0))


def _not_whole(lab: Lab, said: Report) -> Iterator[str]:
    explained = said.explained_percent
    if not isinstance(explained, Exact) or explained.value < _LEAST_EXPLAINED:
        yield f"explained: {explained}"
    if left := of_engine(lab.host):
        yield f"in no item: {left}"
    said = look(lab, replace(Answer(()), until_percent=None))
    asked = {step.cause for step in said.plan.every_step} | {step.rule for step in said.plan.every_step}
    for finding in said.findings:
        cause = find(finding.rule)
        owed = finding.bytes is not None and charged(finding.bytes) and cause is not None and cause.wants_step
        if owed and finding.rule not in asked and not said.plan.answers.get(finding.rule):
            yield f"no answer to {finding.rule}"


def has_step(said: Report, *words: str) -> str:
    """ "" where some step of the plan has all these words in its title or command."""
    told = [f"{step.title} {step.command}" for step in said.plan.every_step]
    return "" if any(all(word in one for word in words) for one in told) else f"no step with {words}: {told}"


def has_finding(said: Report, *words: str) -> str:
    """ "" where some finding has all these words."""
    told = [f"{one.rule} {one.claim} {one.remedy}" for one in said.findings]
    return "" if any(all(word in one for word in words) for one in told) else f"no finding with {words}"


@case(
    "No commands can clean up /var/lib/docker/aufs/diff, moby/moby#37724",
    "aufs/diff/<id> and image/aufs of a driver that was in use before, 620 MiB; overlay2 in use",
    OVERLAY,
    Answer(("{root}/aufs",), (), ("web-1", *EVERYDAY), none_of=("soothing",),
           check=lambda lab, said: has_step(said, "aufs", "rm -rf")),
)  # fmt: skip
def aufs_left_over(lab: Lab) -> Iterator[None]:
    layer, database = lab.docker_root / "aufs/diff" / ("c2" * 32), lab.docker_root / "image/aufs/layerdb/sha256"
    put(layer / "usr/lib/big", 620)
    (lab.docker_root / "aufs/layers").mkdir()
    database.mkdir(parents=True)
    yield
    shutil.rmtree(lab.docker_root / "aufs")
    shutil.rmtree(lab.docker_root / "image/aufs")


@case(
    "docker build hangs/crashes when useradd with large UID, moby/moby#5419",
    "a /var/log/lastlog of 400 GiB apparent size, nearly all holes, in a running container; 600 MiB real in a volume",
    OVERLAY,
    Answer(("shop-data",), (), ("web-1", *EVERYDAY), none_of=("soothing", "web-1")),
)
def sparse(lab: Lab) -> Iterator[None]:
    log = layer_of(lab, "web-1") / "var/log/lastlog"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        file.truncate(400 << 30)
    data = put(lab.docker_root / "volumes/shop-data/_data/more", 600)
    yield
    log.unlink()
    data.unlink()


@case(
    "Open files after docker containers removed, moby/moby#8693",
    "a container's log of 600 MiB is removed by hand while the engine writes to it",
    OVERLAY,
    Answer(("a process's deleted file",), (), ("web-1's log", *EVERYDAY), none_of=("soothing",), person=("dockerd",)),
)
def a_log_that_was_removed(lab: Lab) -> Iterator[None]:
    lab.client.run("base:1", "noisy-1", "exec sleep 100000")
    log = put(log_of(lab, "noisy-1"), 600)
    log.unlink()
    yield
    lab.docker("rm", "-f", "noisy-1")
    until(lambda: "json.log (deleted)" not in _open_files(lab.pid))


def _open_files(pid: int) -> str:
    links = (os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink())
    return "\n".join(links)


@case(
    "Upgrade to 20.10 writes not-removable data into /buildkit/content/blobs/sha256, moby/moby#42010",
    "buildkit/content/blobs/sha256/<digest> that no build record names, 600 MiB",
    OVERLAY,
    Answer(("{root}/buildkit",), (), ("web-1", *EVERYDAY), none_of=("soothing",),
           check=lambda lab, said: has_finding(said, "BuildKit")),
)  # fmt: skip
def blobs_of_buildkit(lab: Lab) -> Iterator[None]:
    blob = put(lab.docker_root / "buildkit/content/blobs/sha256" / ("e3" * 32), 600)
    yield
    blob.unlink()


@case(
    "task-history-limit not respected, moby/moby#37520",
    "twelve ended tasks of one swarm service, 50 MiB in the layer of each",
    OVERLAY,
    Answer((), (), (), none_of=("soothing",), until_percent=40, reaches=True,
           check=lambda lab, said: has_step(said, "web.1.")),
)  # fmt: skip
def ended_tasks(lab: Lab) -> Iterator[None]:
    names = [f"web.1.task{number}" for number in range(12)]
    for name in names:
        labels = ("--label", "com.docker.swarm.service.name=web", "--label", f"com.docker.swarm.task.name={name}")
        lab.docker("create", "--name", name, *labels, "base:1", "sh", "-c", "exit 0")
        lab.docker("start", name)
        put(layer_of(lab, name) / "tmp/spool", 50)
    yield
    lab.docker("rm", "-f", *names)


@case(
    "Loki docker log driver logs are never cleaned up, eventually filling up the disk, grafana/loki#3313",
    "plugins/<id>/rootfs/var/log/docker/<container>/json.log, 600 MiB, left by containers that are gone",
    OVERLAY,
    Answer(("plugin 2b2b2b2b2b2b",), (), ("web-1", *EVERYDAY), none_of=("soothing",),
           check=lambda lab, said: has_finding(said, "plugin")),
)  # fmt: skip
def logs_of_a_plugin(lab: Lab) -> Iterator[None]:
    plugin = lab.docker_root / "plugins" / ("2b" * 32)
    put(plugin / "rootfs/var/log/docker" / ("ab" * 32) / "json.log", 600)
    yield
    shutil.rmtree(plugin)


@case(
    "docs: add faq tips for buildkit cache folder clean-ups, containerd/nerdctl#3741",
    "the root of a BuildKit that runs by itself, beside the Docker root, 600 MiB of cache in it",
    OVERLAY,
    Answer(("{lab}/buildkit",), (), ("web-1", *EVERYDAY), none_of=("soothing",),
           check=lambda lab, said: has_finding(said, "BuildKit", "buildctl prune")),
)  # fmt: skip
def a_buildkit_of_its_own(lab: Lab) -> Iterator[None]:
    root = lab.mount / "buildkit"
    put(root / "runc-overlayfs/snapshots/snapshots/7/fs/big", 600)
    (root / "cache.db").touch()
    (root / "buildkitd.lock").touch()
    yield
    shutil.rmtree(root)


@case(
    "Containerd snapshotter saves layers that can't be cleared through docker commands, docker/cli#5315",
    "a pull of two layers is given up while the second comes: 260 MiB of the first, 60 MiB of the other",
    STORE,
    Answer(("an unfinished pull",), (), ("web-1", *EVERYDAY), none_of=("soothing",), until_percent=20,
           check=lambda lab, said: has_step(said, "leases rm")),
)  # fmt: skip
def a_pull_given_up(lab: Lab) -> Iterator[None]:
    content = lab.docker_root / "containerd/daemon/io.containerd.content.v1.content"
    with registry.stalling(260 * MIB, 60 * MIB) as name:
        pull = subprocess.Popen(("docker", "-H", lab.host, "pull", "-q", name), stdout=subprocess.DEVNULL)
        until(lambda: _arrived(content, 260 * MIB))
        pull.send_signal(signal.SIGINT)
        pull.wait(20)
    time.sleep(1)
    yield
    # The store collects its garbage when an image goes; a prune would take the lab's own as well.
    lab.import_image("gone:1", {"file": 1})
    lab.docker("image", "rm", "gone:1")


def _arrived(content: Path, size_bytes: int) -> bool:
    return any(one.stat().st_size >= size_bytes for one in content.glob("blobs/sha256/*"))


@case(
    "guard against silently orphaning container layers, mattrobinsonsre/terrapod#1470",
    "nine layers of Podman's of 60 MiB, of builds that were killed: on disk, and in no list of the storage",
    PODMAN,
    Answer(("orphaned layers",), (), EVERYDAY, none_of=("soothing",), grace_s=0.0,
           check=lambda lab, said: has_step(said, "layers")),
)  # fmt: skip
def layers_in_no_list(lab: Lab) -> Iterator[None]:
    layers = [lab.docker_root / "overlay" / f"{number:064x}" for number in range(0xABCDE, 0xABCDE + 9)]
    for layer in layers:
        random_file(layer / "diff/out", 60 * MIB)
        (layer / "link").write_text(layer.name[-26:])
        age(layer)
    yield
    for layer in layers:
        shutil.rmtree(layer)


def _taken(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_blocks * 512
    return 0


@case(
    "Space accumulation under data-root due to interrupted pulls, moby/moby#42075",
    "client and engine are killed while the first layer of a pull, 300 MiB, is unpacked; the engine starts again",
    Home("overlay2", "empty", number=3),
    Answer((), grace_s=0.0, check=lambda lab, said: has_finding(said, "layer")),
)
def a_pull_killed(lab: Lab) -> Iterator[None]:
    with registry.stalling(300 * MIB, 120 * MIB) as name:
        pull = subprocess.Popen(("docker", "-H", lab.host, "pull", "-q", name), stdout=subprocess.DEVNULL)
        until(lambda: any(_taken(one) > 20 * MIB for one in lab.docker_root.glob("overlay2/*/diff/data-*")), 60)
        lab.kill_engine()
        pull.kill()
        pull.wait(20)
    lab.start_engine()
    yield
