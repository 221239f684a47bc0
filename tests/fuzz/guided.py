"""Runs one target under atheris (the `fuzz` extra): libFuzzer keeps the cases that reach something new.

It takes the process over and ends it, so it runs in one of its own: `python -m tests.fuzz.guided TARGET SEED CASES
SECONDS FOLDER MODULE …` (CASES or SECONDS is 0). What became of the cases is left in FOLDER as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.minimise import smallest
from tests.fuzz.run import Outcome
from tests.fuzz.target import Find, Target, judged

ENGINE = "atheris"
_STRUCTURED = 0.8  # the share of cases that the target's own mutator makes
_LONGEST_CASE = 16_384
_FEATURES = re.compile(rb"\bft: (\d+)")
_NOTE_EVERY = 1000


def there() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def under_atheris(target: Target, seed: int, cases: int | None, seconds: float | None) -> Outcome:
    """The same as `run.at_random`, guided. A process that dies is a find."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, case in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(case)
        arguments = [target.name, str(seed), str(cases or 0), str(int(seconds or 0)), str(folder), *target.guided]
        child = subprocess.run([sys.executable, "-m", __name__, *arguments], capture_output=True, check=False)
        outcome = Outcome(ENGINE, seed)
        told = json.loads((folder / "ends.json").read_text()) if (folder / "ends.json").exists() else {}
        outcome.ends = Counter(told.get("ends", {}))
        outcome.cases = sum(outcome.ends.values())
        outcome.took_s = told.get("took_s", 0.0)
        outcome.features = max((int(one) for one in _FEATURES.findall(child.stderr)), default=None)
        for signature, case, trace in told.get("finds", ()):
            outcome.finds[signature] = smallest(target, Find(signature, bytes.fromhex(case), trace))
        if child.returncode:
            died = Find(
                f"the process died: {child.returncode}", _artifact(folder), child.stderr.decode(errors="replace")
            )
            outcome.ends["find"] += 1
            outcome.finds[died.signature] = died
        return outcome


def _artifact(folder: Path) -> bytes:
    found = sorted(folder.glob("crash-*")) + sorted(folder.glob("timeout-*")) + sorted(folder.glob("oom-*"))
    return found[0].read_bytes() if found else b""


def _child(name: str, seed: str, cases: str, seconds: str, place: str, *watched: str) -> None:
    import atheris

    with atheris.instrument_imports(include=list(watched)):  # before anything else imports them
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    ends: Counter[str] = Counter()
    finds: dict[str, Find] = {}
    folder = Path(place)
    began = time.process_time()

    def note() -> None:
        rows = [(find.signature, find.case.hex(), find.trace) for find in finds.values()]
        told = {"ends": ends, "finds": rows, "took_s": time.process_time() - began}
        (folder / "ends.json").write_text(json.dumps(told))

    def one(case: bytes) -> None:
        end = judged(target, case)
        if isinstance(end, Find):
            ends["find"] += 1
            finds.setdefault(end.signature, end)
        else:
            ends[end] += 1
        if sum(ends.values()) % _NOTE_EVERY == 0 or sum(ends.values()) >= int(cases) > 0:
            note()

    def mutated(case: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        if case and random.random() < _STRUCTURED:
            return target.mutate(random, case)[:most]
        return bytes(atheris.Mutate(case, most))

    limits = [f"-runs={cases}"] if int(cases) else [f"-max_total_time={seconds}"]
    options = [f"-seed={seed}", f"-max_len={_LONGEST_CASE}", "-rss_limit_mb=2048", "-timeout=30"]
    atheris.Setup(
        [sys.argv[0], *limits, *options, f"-artifact_prefix={place}/", f"{place}/corpus"], one, custom_mutator=mutated
    )
    atheris.Fuzz()


if __name__ == "__main__":
    _child(*sys.argv[1:])
