"""`--preflight` against real engines: every category as the lab knows it, and books that close to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collectors.report.schema import schema
from collectors.report.text import SECTIONS
from tests.lab import Lab, shared
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1 << 20
CHECKED = ("images", "containers", "logs", "volumes", "build_cache")


@pytest.fixture(scope="module", params=["overlay2", "btrfs", "vfs"])
def lab(request: pytest.FixtureRequest) -> Lab:
    require_machine()
    return shared.everyday(request.param)


def preflight(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors", "--preflight", "--host", lab.host, "--no-journal", "--no-state"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, env=clean, check=False)


def document(lab: Lab) -> dict[str, Any]:
    ended = preflight(lab, "--format", "json")
    assert "Traceback" not in ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == answer["exit_status"]
    return answer


def rows(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["category"]: row for row in document["ledger"]}


def test_every_category_is_what_the_lab_planted(lab: Lab) -> None:
    found = rows(document(lab))
    for category in CHECKED:
        truth = lab.truth.sums[category].allocated_bytes
        assert found[category]["bytes"] == pytest.approx(truth, rel=0.02, abs=MIB), category


def test_where_inside_a_container_and_a_volume_their_bytes_are_is_told(lab: Lab) -> None:
    items = document(lab)["items"]
    for category, name, path in (("containers", "web-1", "/tmp/written"), ("volumes", "shop-data", "/filled")):
        (one,) = [item for item in items[category] if item["name"] == name]
        (place,) = [place for place in one["inside"] if place["path"] == path]
        assert not place["directory"]
        assert MIB < place["bytes"] <= one["bytes"]


def test_the_ledger_sums_to_used_and_explains_99_percent(lab: Lab) -> None:
    answer = document(lab)
    used = answer["filesystem"]["used_bytes"]
    assert sum(row["bytes"] or 0 for row in answer["ledger"]) == used
    assert abs(rows(answer)["unattributed"]["bytes"]) <= used * 0.01


def test_the_document_validates_against_the_schema(lab: Lab) -> None:
    Draft202012Validator(schema()).validate(document(lab))


def test_the_text_has_every_section_and_the_line_that_supervisors_match(lab: Lab) -> None:
    ended = preflight(lab)
    lines = ended.stdout.splitlines()
    assert tuple(line[3:] for line in lines if line.startswith("## ")) == SECTIONS
    used = subprocess.run(
        ["grep", "-oP", r"Disk:\s+\K[0-9]+"], input=ended.stdout, capture_output=True, text=True, check=True
    )
    df = subprocess.run(["df", "--output=pcent", lab.mount], capture_output=True, text=True, check=True)
    assert used.stdout.split() == [df.stdout.split()[-1].rstrip("%")]


def test_nothing_of_an_everyday_host_is_called_an_orphan(lab: Lab) -> None:
    assert document(lab)["items"]["orphans"] == []


def test_a_frozen_engine_costs_its_own_figures_only(lab: Lab) -> None:
    lab.freeze_engine()
    try:
        began = time.monotonic()
        ended = preflight(lab, "--deadline", "4", "--docker-root", str(lab.docker_root), "--format", "json")
        took_s = time.monotonic() - began
    finally:
        lab.thaw_engine()
    assert took_s < 5.0
    answer = json.loads(ended.stdout)
    assert answer["engine"]["reachable"] is False
    assert "timed out" in answer["engine"]["reason"]
    assert ended.returncode == 3
    images = lab.truth.sums["images"].allocated_bytes
    assert rows(answer)["images"]["bytes"] == pytest.approx(images, rel=0.02, abs=MIB)
