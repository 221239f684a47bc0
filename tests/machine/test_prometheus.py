"""The metrics and rules against a real Prometheus and a real node exporter, on loopback: the alert fires."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

PATIENCE_S = 90.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def ullage(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def promtool(*arguments: str, given: str | None = None) -> str:
    ended = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab that is full, and its metrics where a node exporter's textfile collector reads them."""
    require_machine()
    for tool in ("prometheus", "promtool", "prometheus-node-exporter"):
        assert shutil.which(tool), f"{tool} is missing: install prometheus and prometheus-node-exporter"
    folder = tmp_path_factory.mktemp("textfile")
    with Lab.up(driver="overlay2", mess="incident", size_mib=1024) as lab:
        ended = ullage(
            "--preflight", "--host", lab.host, "--no-journal", "--no-state",
            "--format", "openmetrics", "--output", str(folder / "ullage.prom"),
        )  # fmt: skip
        assert ended.returncode == 2, ended.stderr
        yield folder


def test_promtool_accepts_the_metrics(metrics: Path) -> None:
    text = (metrics / "ullage.prom").read_text()
    assert text.endswith("# EOF\n")
    promtool("check", "metrics", given=text)


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yml"
    rules.write_text(ullage("--print", "alerts").stdout)
    assert "7 rules found" in promtool("check", "rules", str(rules))


def test_a_forecast_of_one_host_is_not_paged_by_the_level_of_another(tmp_path: Path) -> None:
    """Several hosts asked by one machine are one instance: the rules tell them apart by their label, and name it."""
    (tmp_path / "alerts.yml").write_text(ullage("--print", "alerts").stdout)
    soon = [f'ullage_crossing_seconds{{instance="node",host="{host}",percent="90"}}' for host in ("a", "b")]
    level = [f'ullage_filesystem_used_ratio{{instance="node",host="{host}"}}' for host in ("a", "b")]
    series = zip((*soon, *level), (600, 999_999, 0.1, 0.89), strict=True)
    severity = 'ullage_severity{instance="node",host="b"}'
    given = "".join(f"      - {{series: '{name}', values: '{value}x60'}}\n" for name, value in (*series, (severity, 5)))
    summary = "node b: Docker's disk is critical"
    said = (
        f'{{exp_labels: {{severity: critical, instance: node, host: b}}, exp_annotations: {{summary: "{summary}", '
        'description: "ullage --preflight on the host names the culprit and the plan."}}'
    )
    (tmp_path / "test.yml").write_text(
        "rule_files: [alerts.yml]\ntests:\n  - interval: 1m\n    input_series:\n" + given + "    alert_rule_test:\n"
        f"      - {{eval_time: 50m, alertname: DockerDiskCritical, exp_alerts: [{said}]}}\n"
        "      - {eval_time: 50m, alertname: DockerDiskFillsIn4Hours, exp_alerts: []}\n"
    )
    promtool("test", "rules", str(tmp_path / "test.yml"))


def test_the_alert_fires_in_a_real_server_that_scrapes_a_real_exporter(metrics: Path, tmp_path: Path) -> None:
    exporter, server = free_port(), free_port()
    rules = tmp_path / "alerts.yml"
    # The conditions are the printed ones; only the patience is shortened, so that the test can wait for them.
    rules.write_text(re.sub(r"for: \w+", "for: 1s", ullage("--print", "alerts").stdout))
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules}]\n"
        f"scrape_configs:\n  - job_name: node\n    static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]\n"
    )
    node = (
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={metrics}",
        f"--web.listen-address=127.0.0.1:{exporter}",
    )
    prometheus = (
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{server}",
    )
    with running(*node), running(*prometheus):
        until = time.monotonic() + PATIENCE_S
        firing: set[str] = set()
        while "DockerDiskCritical" not in firing and time.monotonic() < until:
            time.sleep(0.5)
            try:
                alerts = ask(f"http://127.0.0.1:{server}/api/v1/alerts")["data"]["alerts"]
            except OSError:
                continue
            firing = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
        assert "DockerDiskCritical" in firing
        assert "DockerDiskNotWatched" not in firing
        query = f"http://127.0.0.1:{server}/api/v1/query?query="
        used = float(ask(query + "ullage_filesystem_used_bytes")["data"]["result"][0]["value"][1])
        charged = float(ask(query + "sum(ullage_category_bytes)")["data"]["result"][0]["value"][1])
        assert charged == used
