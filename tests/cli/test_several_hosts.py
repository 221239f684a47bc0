"""Several `--host` in one call: every form tells of each, under the name that was given; none is passed over."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from collectors.report import formatting
from collectors.report.schema import schema
from tests.cli.test_command_line import run
from tests.fakes.engine import engine


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Two engines that answer, and one that is not there."""
    with engine("26.1.5-overlay2") as first, engine("26.1.5-overlay2") as second:
        yield first.url, second.url, f"unix://{tmp_path_factory.mktemp('none')}/no.sock"


def ask(hosts: tuple[str, ...], folder: Path, *asked: str) -> subprocess.CompletedProcess[str]:
    named = [word for host in hosts for word in ("--host", host)]
    where = ("--docker-root", str(folder), "--state", f"{folder}/state", "--no-journal", "--deadline", "20")
    ended = run(*asked, *where, *named)
    assert "Traceback" not in ended.stderr
    return ended


def documents(ended: subprocess.CompletedProcess[str], ref: str = "#") -> list[dict[str, Any]]:
    """One a line, each valid by what `--print schema` says of it."""
    printed = schema()
    found: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    for document in found:
        Draft202012Validator(printed if ref == "#" else {"$ref": ref, "$defs": printed["$defs"]}).validate(document)
    return found


def test_metrics_are_one_exposition_with_each_family_once_and_each_sample_under_its_host(
    hosts: tuple[str, str, str], in_memory: Path
) -> None:
    ended = ask(hosts, in_memory, "--preflight", "--format", "openmetrics")
    assert ended.returncode == 3
    assert ended.stdout.count("# EOF") == 1
    assert ended.stdout.endswith("# EOF\n")
    heads = [line for line in ended.stdout.splitlines() if line.startswith(("# TYPE", "# HELP"))]
    assert len(heads) == len(set(heads))
    families = {family.name: family for family in text_string_to_metric_families(ended.stdout)}  # type: ignore[no-untyped-call]
    for family in families.values():
        assert {sample.labels["host"] for sample in family.samples} <= set(hosts)
    statuses = {sample.labels["host"]: sample.value for sample in families["ullage_exit_status"].samples}
    assert statuses == {hosts[0]: 0.0, hosts[1]: 0.0, hosts[2]: 3.0}
    read = {
        (s.labels["host"], s.value)
        for s in families["ullage_source_read"].samples
        if "containers" in s.labels["source"]
    }
    assert (hosts[1], 1.0) in read
    assert (hosts[2], 1.0) not in read
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=ended.stdout, text=True, check=True)


def test_the_metrics_of_one_host_have_no_label_of_it(hosts: tuple[str, str, str], in_memory: Path) -> None:
    """Nor where it is named twice: it is asked once."""
    once = ask((hosts[0], hosts[0]), in_memory, "--preflight", "--format", "openmetrics").stdout
    assert "host=" not in once
    assert "\nullage_exit_status 0.0\n" in once


def test_documents_are_lines_that_say_of_which_host_each_is(hosts: tuple[str, str, str], in_memory: Path) -> None:
    found = documents(ask(hosts, in_memory, "--preflight", "--format", "json"))
    assert [document["asked_host"] for document in found] == list(hosts)
    assert [document["engine"]["reachable"] for document in found] == [True, True, False]
    assert documents(ask((), in_memory, "--preflight", "--format", "json", "--output", "/dev/null")) == []


@pytest.mark.parametrize("asked", [("--preflight",), ("--plan", "--until", "50%"), ("--reclaim", "--until", "50%")])
def test_pages_stand_under_the_names_that_were_given(
    hosts: tuple[str, str, str], in_memory: Path, asked: tuple[str, ...]
) -> None:
    ended = ask(hosts, in_memory, *asked)
    heads = [line for line in ended.stdout.splitlines() if line.startswith("# ")]
    assert heads == [f"# Host: {formatting.quoted(host)}" for host in hosts]
    assert len(re.findall("^## Docker Storage (?:Plan|Reclaim)$", ended.stdout, re.MULTILINE)) == 3
    assert ended.returncode == 3
    alone = ask(hosts[:1], in_memory, *asked)
    assert not alone.stdout.startswith("# Host")
    assert alone.returncode == 0


def test_a_dry_run_is_a_line_for_each_host(hosts: tuple[str, str, str], in_memory: Path) -> None:
    ended = ask(hosts, in_memory, "--reclaim", "--format", "json")
    found = documents(ended, "#/$defs/reclaim")
    assert [(one["asked_host"], one["mode"], one["exit_status"]) for one in found] == [
        (hosts[0], "dry run", 0), (hosts[1], "dry run", 0), (hosts[2], "dry run", 3),
    ]  # fmt: skip
    assert ended.returncode == 3


@pytest.mark.parametrize(
    "asked", [("--reclaim", "--apply"), ("--reclaim", "--apply", "--format", "json"), ("--changes",)]
)
def test_what_is_of_one_machine_takes_one_host_and_begins_nothing(
    hosts: tuple[str, str, str], in_memory: Path, asked: tuple[str, ...]
) -> None:
    ended = ask(hosts, in_memory, *asked)
    flag = "--apply" if "--apply" in asked else "--changes"
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", f"ullage: {flag} takes one --host\n")
    assert not (in_memory / "state").exists()
