"""`--reclaim --apply` as a script calls it: what its exit status says, and that it is not that of the report."""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collectors.cli.command_line import load, parser
from collectors.cli.preflight import options
from collectors.cli.reclaim import at_tier
from collectors.model import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.reclaim.run_log import RunLog
from collectors.report.schema import schema
from tests.cli.test_command_line import run
from tests.fakes.engine import engine
from tests.fakes.server import Server
from tests.planning.build import GIB, Scene, ago, container, record, release, with_rules


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a filesystem in memory, where 1 % is used: nothing of it presses, whatever this machine's disks hold."""
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="ullage-") as made:
        yield Path(made)


@pytest.fixture
def answering() -> Iterator[Server]:
    with engine("26.1.5-overlay2") as server:
        yield server


def reclaim(folder: Path, url: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout, stderr."""
    ended = run(
        "--reclaim", "--no-journal", "--state", f"{folder}/state", "--docker-root", str(folder),
        "--deadline", "20", "--host", url, *arguments,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


def test_a_target_that_is_reached_is_0(folder: Path, answering: Server) -> None:
    status, said, _ = reclaim(folder, answering.url, "--apply", "--until", "99%")
    assert (status, "Ended: target reached" in said) == (0, True)


def test_a_target_that_is_not_reached_is_1(folder: Path, answering: Server) -> None:
    status, said, _ = reclaim(folder, answering.url, "--apply", "--until", "0.5")
    assert (status, "Ended: all done" in said) == (1, True)


def test_all_that_was_chosen_is_0_without_a_target(folder: Path, answering: Server) -> None:
    assert reclaim(folder, answering.url, "--apply")[0] == 0


def test_what_is_refused_is_2_and_nothing_is_started(folder: Path, answering: Server) -> None:
    for host in ((), ("--yes-i-mean", "another-host")):
        status, said, why = reclaim(folder, answering.url, "--apply", "--tier", "destructive", *host)
        assert (status, said, len(why.splitlines())) == (2, "", 1)
    assert not (folder / "state" / "reclaim.jsonl").exists()


def test_another_reclaim_that_is_running_is_2(folder: Path, answering: Server) -> None:
    (folder / "state").mkdir()
    with (folder / "state" / "reclaim.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said, _ = reclaim(folder, answering.url, "--apply", "--until", "0.5")
    assert (status, "Ended: busy" in said) == (2, True)


@pytest.mark.parametrize("target", [(), ("--until", "0.5")])
def test_without_an_engine_what_could_go_is_not_known(folder: Path, target: tuple[str, ...]) -> None:
    assert reclaim(folder, f"unix://{folder}/no.sock", "--apply", *target)[0] == 3


def test_without_an_engine_a_target_that_is_reached_is_0(folder: Path) -> None:
    assert reclaim(folder, f"unix://{folder}/no.sock", "--apply", "--until", "99%")[0] == 0


def test_wrong_usage_stays_3(folder: Path, answering: Server) -> None:
    assert reclaim(folder, answering.url, "--apply", "--until", "all")[0] == 3


def test_the_dry_run_keeps_the_status_of_the_report(folder: Path) -> None:
    assert reclaim(folder, f"unix://{folder}/no.sock")[0] == 3


def test_the_dry_run_says_that_a_run_did_not_end(folder: Path, answering: Server) -> None:
    assert "did not end" not in reclaim(folder, answering.url)[2]
    log = RunLog(folder / "state")
    log.begin((("s", "Remove an image"),), None)
    log.means("s", Owner(OwnerKind.IMAGE, "sha256:a"))
    assert "did not end: it was at image:sha256:a (Remove an image)" in reclaim(folder, answering.url)[2]


def test_below_when_nothing_is_done_and_all_is_well(folder: Path, answering: Server) -> None:
    for when in ("80%", "79.5"):
        status, said, why = reclaim(folder, answering.url, "--apply", "--when", when, "--until", "0.5")
        assert (status, said.splitlines()[2], why) == (0, f"Mode: not run, less than {when.strip('%')}% is used", "")
    assert not (folder / "state" / "reclaim.jsonl").exists()


def test_at_when_it_is_done(folder: Path, answering: Server) -> None:
    status, said, _ = reclaim(folder, answering.url, "--apply", "--when", "1%", "--until", "0.5")
    assert (status, "Mode: applied" in said) == (1, True)


@pytest.mark.parametrize("asked", [(), ("--plan", "--until", "70%"), ("--preflight",), ("--history",)])
def test_apply_without_reclaim_is_wrong_usage_and_never_passed_over(asked: tuple[str, ...]) -> None:
    ended = run(*asked, "--apply")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "ullage: --apply is of --reclaim\n")


@pytest.mark.parametrize(
    ("asked", "form", "of"),
    [
        (("--reclaim",), "openmetrics", "--preflight"),
        (("--reclaim", "--apply"), "openmetrics", "--preflight"),
        (("--plan",), "openmetrics", "--preflight"),
        (("--history",), "openmetrics", "--preflight"),
        (("--changes",), "openmetrics", "--preflight"),
        (("--plan",), "json", "--history, --changes, --reclaim and --preflight"),
    ],
)
def test_a_form_that_is_not_written_is_wrong_usage_and_never_text_instead(
    asked: tuple[str, ...], form: str, of: str
) -> None:
    ended = run(*asked, "--format", form)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", f"ullage: --format {form} is of {of}\n")


@pytest.mark.parametrize("age", ["-1", "soon", "3", "0h", "24"])
def test_a_minimum_age_is_a_span_or_0(folder: Path, age: str) -> None:
    ended = run("--plan", f"--min-age={age}")
    assert (ended.returncode, "--min-age" in ended.stderr) == (3, True)


def test_a_minimum_age_stands_for_all_that_are_configured(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[keep]\nmin_age_s = 60\n")
    for arguments, expected in (((), 60.0), (("--min-age", "0"), 0.0), (("--min-age", "2h"), 7200.0)):
        told = parser("ullage").parse_args(["--plan", "--config", f"{tmp_path}/c.toml", *arguments])
        chosen = options(told, load(told.config))
        assert chosen.settings.keep.least_s(7 * 86400.0) == expected


def document(said: str) -> dict[str, Any]:
    """The one line of `--format json`, held against what `--print schema` says of it."""
    assert said.count("\n") == 1
    found: dict[str, Any] = json.loads(said)
    Draft202012Validator({"$ref": "#/$defs/reclaim", "$defs": schema()["$defs"]}).validate(found)
    return found


def test_the_outcome_as_one_line_for_a_machine(folder: Path, answering: Server) -> None:
    status, said, _ = reclaim(folder, answering.url, "--apply", "--until", "0.5", "--format", "json")
    told = document(said)
    assert (status, told["exit_status"], told["mode"], told["ended"]) == (1, 1, "applied", "all done")
    assert told["target_percent"] == 0.5
    assert 0 < told["used_percent_after"] < 50
    assert (told["predicted_bytes"], told["measured_data_bytes"]) == (0, None)
    assert told["reason"], "what is null has a reason"


def test_a_run_that_is_not_begun_says_why_in_its_line(folder: Path, answering: Server) -> None:
    few = ("--apply", "--when", "99%", "--format", "json")
    other = ("--apply", "--tier", "destructive", "--yes-i-mean", "another-host", "--format", "json")
    for arguments, status, why in ((few, 0, "less than 99% is used"), (other, 2, "another-host is not this host")):
        ended, said, _ = reclaim(folder, answering.url, *arguments)
        told = document(said)
        assert (ended, told["exit_status"], told["mode"], told["ended"]) == (status, status, "not run", None)
        assert why in told["reason"]
        assert told["predicted_bytes"] is None


def test_a_dry_run_has_its_line_too_with_the_status_of_the_report(folder: Path) -> None:
    status, said, _ = reclaim(folder, f"unix://{folder}/no.sock", "--format", "json")
    told = document(said)
    assert (status, told["exit_status"], told["mode"], told["steps"]) == (3, 3, "dry run", [])
    assert (told["predicted_bytes"], told["measured_bytes"]) == (0, None)


def test_on_the_way_to_a_target_nothing_worse_goes_before_what_is_milder_and_young() -> None:
    cache = record("r", used=ago(hours=1))
    scene = Scene(
        build_cache=(cache,),
        containers=(container("c", "gone", state="exited", ended=ago(days=9)),),
        releases=(release(5 * GIB, "build:r"), release(9 * GIB, "container:c")),
    )
    both = scene.plan(until=70)
    assert [step.id for step in both.steps] == ["build-cache.young", "container:c"]
    assert at_tier(both, Risk.CAREFUL) == ()
    assert [step.id for step in at_tier(scene.plan(), Risk.CAREFUL)] == ["container:c"], "no target: the tier decides"
    scene.rules = with_rules(min_age_s=0.0)
    assert [step.id for step in at_tier(scene.plan(until=70), Risk.CAREFUL)] == ["build-cache.recent", "container:c"]


@pytest.mark.parametrize("asked", [("--reclaim",), ("--plan",), ("--preflight",), ("--apply",)])
def test_when_without_anything_to_apply_is_wrong_usage(asked: tuple[str, ...]) -> None:
    ended = run(*asked, "--when", "80%")
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (3, "", 1)
