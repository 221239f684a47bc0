"""A fill on a real engine: what makes it, and the right answer, written beside it. What is said of it, and the mark.

Labs are shared by the fills that leave them as they found them. Refuses to look at any engine but a lab's.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from collectors.engine.endpoint import endpoint
from collectors.inventory import Request
from collectors.model.plan import Harm
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.pipeline import Options, survey
from collectors.system.deadline import this_host
from tests.judgement.jury import Judged, Mark
from tests.judgement.key import CLASSES
from tests.judgement.reading import Verdict, either, word
from tests.lab import Lab, measure, shared

MIB = 1 << 20
_FEW_FILES = 5
Make = Callable[[Lab], Iterator[None]]
Check = Callable[[Lab, Report], str]


@dataclass(frozen=True, slots=True)
class Home:
    """The lab that a fill is made in; fills with one `Home` follow each other in one lab."""

    driver: str
    mess: str = "everyday"
    engine: str = "20.10"
    fs: str | None = None
    size_mib: int = 1024
    mkfs_options: tuple[str, ...] = ()
    number: int = 0  # tells labs apart that a fill leaves changed

    def __str__(self) -> str:
        return f"{self.driver} {self.engine}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is right, in names as a person says them: those in `PATTERNS` may stand in a sentence as these say, the
    others as they are; `{lab}` is the lab's mount point.

    `first`: any of these may be named first, none: nobody has to be; `also`: acceptable; `others`: what else there is,
    and would be wrong. `all_of`: what the verdict must say somewhere, `none_of`: what it must not. `harms`: the harms
    that a plan to `until_percent` may take, in order; None: it is not asked. `person`: what stands apart for a person.
    """

    first: tuple[str, ...]
    also: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    until_percent: float | None = 80.0
    harms: tuple[tuple[int, ...], ...] | None = None
    reaches: bool | None = None
    person: tuple[str, ...] = ()
    deadline_s: float = 60.0
    grace_s: float = DEFAULTS.thresholds.grace_s
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    name: str
    home: Home
    answer: Answer
    make: Make


@dataclass
class Bench:
    """The labs that are up, at most one besides the shared ones."""

    own: tuple[Home, Lab] | None = None

    def lab(self, home: Home) -> Lab:
        if home == Home(home.driver, engine=home.engine):
            return shared.everyday(home.driver, home.engine)
        if self.own is None or self.own[0] != home:
            self.down()
            lab = Lab.up(driver=home.driver, engine=home.engine, fs=home.fs, mess=home.mess, size_mib=home.size_mib,
                         mkfs_options=home.mkfs_options)  # fmt: skip
            self.own = (home, lab)
        return self.own[1]

    def down(self) -> None:
        if self.own is not None:
            self.own[1].down()
        self.own = None


def try_fill(fill: Fill, bench: Bench) -> Judged:
    """Make it, look once, take it away again, and judge what was said."""
    lab = bench.lab(fill.home)
    made = fill.make(lab)
    next(made)
    try:
        measure.flush(lab.mount)
        return judge(fill, lab, look(lab, fill.answer))
    finally:
        next(made, None)  # takes it away, whatever came of it


def look(lab: Lab, answer: Answer) -> Report:
    """One run against the lab's engine, as `--preflight --until` makes it, without a memory."""
    asked = Request(
        endpoint(lab.host, os.environ, Path("/nonexistent")),
        this_host(),
        answer.deadline_s,
        answer.grace_s,
    )
    return survey(Options(asked, DEFAULTS, None, None, answer.until_percent)).report


def judge(fill: Fill, lab: Lab, said: Report) -> Judged:
    """Wrong where anything is; acceptable where something comes first that is nearly as good as the right one."""
    answer = fill.answer
    names = {name: _pattern(lab, name) for name in (*answer.first, *answer.also, *answer.others)}
    classes = {one.word: one.pattern for one in CLASSES if one.word not in names}
    first = Verdict(said.verdict).first(names | classes)
    wrong = []
    if answer.first and first not in (*answer.first, *answer.also):
        wrong.append(f"first named is {first or 'nothing'}")
    wrong += [f"no word of {name}" for name in answer.all_of if not re.search(_pattern(lab, name), said.verdict)]
    wrong += [f"it says: {name}" for name in answer.none_of if re.search(_pattern(lab, name), said.verdict)]
    wrong += list(_of_the_plan(answer, lab, said))
    if answer.check is not None and (broken := answer.check(lab, said)):
        wrong.append(broken)
    right = not answer.first or first in answer.first
    mark = Mark.WRONG if wrong else Mark.RIGHT if right else Mark.ACCEPTABLE
    expected = " or ".join(answer.first) or "nothing to name"
    return Judged(f"{fill.name} ({fill.home})", expected, first, said.verdict, mark, "; ".join(wrong))


def _of_the_plan(answer: Answer, lab: Lab, said: Report) -> Iterator[str]:
    plan = said.plan
    harms = [int(step.harm) for step in plan.steps]
    if harms != sorted(harms) or Harm.DATA in harms:
        yield f"harms in the order {harms}"
    if answer.harms is not None and tuple(sorted(set(harms))) not in answer.harms:
        yield f"harms {tuple(sorted(set(harms)))}, not {' or '.join(map(str, answer.harms))}"
    reached = plan.target is not None and not plan.target.short_bytes and not plan.target.short_inodes
    if answer.reaches is not None and reached is not answer.reaches:
        yield f"the target is {'' if reached else 'not '}reached"
    apart = [step.title for step in plan.for_person]
    for name in answer.person:
        if not any(re.search(_pattern(lab, name), title) for title in apart):
            yield f"nothing for a person about {name}"


# Names that may stand in a sentence in more ways than one; all others stand as they are.
PATTERNS = {
    "web-1's log": r"\bweb-1(?:'s)? (?:container )?log\b|\blog of (?:container )?web-1\b",
    "web-1": r"\bweb-1\b(?!(?:'s)? (?:container )?log)",
    "a process's deleted file": r"(?i)\bsleep\b|\bdeleted file\b|/held\b",
    "a loop device": r"/dev/loop\d+|\bloop device\b",
    "dangling images": r"\bdangling images?\b",
    "orphaned layers": r"\b(?:orphaned|unreferenced) layers?\b",
    "snapshots": r"(?<![/.])\bsnapshots?\b",
    "inodes": r"(?i)\binodes\b",
    "metadata": r"(?i)\bmetadata\b",
    "files outside subvolumes": r"\bfiles outside subvolumes\b",
    "the disk is not known": r"(?i)\bnot known\b|\bunknown\b",
    "a former Docker root": r"(?i)\bformer Docker root\b",
    "unknown to the engine": r"(?i)\bnot known to the engine\b|\bunknown to the engine\b",
    "an id": r"\b[0-9a-f]{12}(?:[0-9a-f]*…?[0-9a-f]*)\b",
    "another engine's store": r"(?i)\banother engine\b|/docker2\b",
    "soothing": r"(?i)nothing presses|no action needed",
    "a number of logs": r"(?i)\bin \d+ (?:container )?logs\b",
    "bytes of build cache": r"[KMG]iB in (?:the )?build",
    "a rank": r"(?<!at )(?<!at the )\b(?:largest|most|biggest)\b",
    "something to decide": r"(?i)\bmust decide\b|\bperson\b",
    "a process to end": r"(?i)^(?:end|restart|stop)\b",
}


def _pattern(lab: Lab, name: str) -> str:
    """Where the name stands in a sentence about this lab: a directory also by the file that is in it."""
    if name in PATTERNS:
        return PATTERNS[name]
    text = name.replace("{lab}", str(lab.mount)).replace("{root}", str(lab.docker_root))
    inside = islice(Path(text).rglob("*"), _FEW_FILES) if text.startswith("/") else ()
    return either(word(one) for one in (text, *(str(path) for path in inside)))


# What fills are made of.


def put(path: Path, size_mib: int) -> Path:
    """A file that takes so much of the disk, at once: its blocks are set aside, not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, size_mib * MIB)
    return path


def litter(folder: Path, count: int) -> Path:
    """Empty files, a thousand to a directory."""
    for number in range(count):
        if number % 1000 == 0:
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
        (folder / str(number - number % 1000) / f"f{number}").touch()
    return folder


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for it. Raises TimeoutError."""
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            raise TimeoutError("it did not come")
        time.sleep(0.05)
