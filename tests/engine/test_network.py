"""Engines across a network: plain and under TLS, with the same deadlines and the same plain words."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from collectors.engine import endpoint, view
from collectors.model.engine import EngineView
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.fakes.engine import engine
from tests.fakes.server import Drip, Mute

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")


def look(url: str, deadline_s: float = 5, **environ: str) -> EngineView:
    began = time.monotonic()
    seen = view(endpoint(url, environ, Path("/nowhere")), this_host(), deadline_s=deadline_s)
    assert time.monotonic() - began < deadline_s + 1
    return seen


def why(reading: Any) -> tuple[Why, str]:
    assert isinstance(reading, Unavailable), reading
    return reading.why, reading.detail


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and one certificate for localhost that serves for both ends."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    openssl("x509", "-req", "-in", "request.pem", "-out", "cert.pem", *signed)
    return folder


def serving(folder: Path, *, asks_for_ours: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    if asks_for_ours:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_engine_behind_tcp_answers_like_any_other() -> None:
    with engine("26.1.5-overlay2", tcp=True) as server:
        seen = look(server.url)
    assert isinstance(seen.containers, Exact)
    assert len(seen.containers.value) == 4


@pytest.mark.parametrize("action", [Mute(), Drip(every_s=0.02), Drip(every_s=0.02, headers_at_once=True)])
def test_an_engine_behind_tcp_has_no_more_time_than_one_here(action: Any) -> None:
    with engine("26.1.5-overlay2", {"*": action}, tcp=True) as server:
        assert why(look(server.url, 0.5).engine) == (Why.TIMED_OUT, "no answer in 0.5 s")


@needs_openssl
def test_tls_with_certificates_of_both_sides(certificates: Path) -> None:
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates, asks_for_ours=True)) as server:
        seen = look(server.url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates))
    assert isinstance(seen.engine, Exact), seen.engine
    assert isinstance(seen.images, Exact)


@needs_openssl
def test_the_engines_authority_is_asked_whatever_other_tools_trust(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "cert.pem"))
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates)) as server:
        seen = look(server.url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates))
    assert isinstance(seen.engine, Exact), seen.engine


@needs_openssl
@pytest.mark.parametrize("action", [Mute(), Drip(every_s=0.02), Drip(every_s=0.02, headers_at_once=True)])
def test_tls_has_the_same_deadline(certificates: Path, action: Any) -> None:
    with engine("26.1.5-overlay2", {"*": action}, tcp=True, tls=serving(certificates)) as server:
        seen = look(server.url, 0.5, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates))
    assert why(seen.engine) == (Why.TIMED_OUT, "no answer in 0.5 s")


@needs_openssl
def test_an_unknown_authority_is_named(certificates: Path, tmp_path: Path) -> None:
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates)) as server:
        reason, words = why(look(server.url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path)).engine)
    assert reason is Why.FAILED
    assert "TLS" in words
    assert "CERTIFICATE_VERIFY_FAILED" in words


@needs_openssl
def test_tls_without_verification_is_quiet_about_it(certificates: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom collectors.engine import *\n"
        "from collectors.system.deadline import this_host\n"
        "where = endpoint(sys.argv[1], {'DOCKER_TLS': '1', 'DOCKER_CERT_PATH': sys.argv[2]}, Path('/nowhere'))\n"
        "print(len(view(where, this_host(), deadline_s=5).images.value))"
    )
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates)) as server:
        found = subprocess.run(
            [sys.executable, "-c", code, server.url, str(tmp_path)], capture_output=True, text=True, check=True
        )
    assert (found.stdout, found.stderr) == ("6\n", "")


@needs_openssl
def test_an_engine_that_wants_our_certificate_and_gets_none(certificates: Path, tmp_path: Path) -> None:
    shutil.copy(certificates / "ca.pem", tmp_path)
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates, asks_for_ours=True)) as server:
        reason, _ = why(look(server.url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path)).engine)
    assert reason is Why.FAILED


@needs_openssl
def test_tls_on_one_side_only(certificates: Path) -> None:
    with engine("26.1.5-overlay2", tcp=True) as plain:
        reason, words = why(look(plain.url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates)).engine)
        assert (reason, "TLS" in words) == (Why.FAILED, True)
    with engine("26.1.5-overlay2", tcp=True, tls=serving(certificates)) as secured:
        reason, _ = why(look(secured.url).engine)
        assert reason in (Why.FAILED, Why.MALFORMED)


@needs_openssl
def test_a_tls_handshake_that_never_ends(certificates: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"tcp://localhost:{deaf.getsockname()[1]}"
        seen = look(url, 0.5, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates))
    assert why(seen.engine) == (Why.TIMED_OUT, "no answer in 0.5 s")


def test_ssh_without_the_extra_says_what_is_missing() -> None:
    pytest.importorskip("docker")
    try:
        import paramiko  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        reason, words = why(look("ssh://me@far.invalid").engine)
        assert reason is Why.NOT_REACHABLE
        assert "ullage[ssh]" in words
    else:
        reason, _ = why(look("ssh://me@far.invalid").engine)
        assert reason in (Why.NOT_REACHABLE, Why.FAILED)
