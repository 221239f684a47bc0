"""Two clients on one connection: one can only GET; the other sends each request once, whatever comes of it."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.engine import endpoint
from collectors.engine.network import ReadClient
from collectors.engine.write_client import WriteClient
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed
from tests.fakes.server import Action, Reply, Request, Reset, Server, Verbatim

Served = Callable[..., tuple[Server, list[str]]]


@pytest.fixture(params=[False, True], ids=["at a socket", "over the network"])
def served(request: pytest.FixtureRequest) -> Served:
    """Makes a server that gives these answers in turn, and what it was asked. Both ways keep one contract."""

    def make(*answers: Action) -> tuple[Server, list[str]]:
        seen: list[str] = []
        left = list(answers)

        def answer(asked: Request) -> Action:
            seen.append(f"{asked.method} {asked.path}")
            return left.pop(0)

        return Server(answer, tcp=request.param), seen

    return make


def writing(server: Server, **options: int) -> WriteClient:
    return WriteClient(endpoint(server.url, {}, Path("/nowhere")), timeout_s=5, **options)


def test_the_reading_client_offers_nothing_that_could_change_an_engine() -> None:
    assert {name for name in vars(ReadClient) if not name.startswith("_")} == {"get", "cut", "close"}


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_request_without_an_answer_is_not_sent_again(method: str, served: Served) -> None:
    server, seen = served(Reset(), Reply(b"{}"))
    with server:
        client = writing(server)
        with pytest.raises(Declined):
            getattr(client, method)("/containers/a", timeout_s=5)
        client.close()
    assert seen == [f"{method.upper()} /containers/a"]


def test_a_refusal_is_an_answer_and_its_words_are_the_engines(served: Served) -> None:
    refusal = Reply(b'{"message": "it is in use"}', status=409)
    server, _ = served(refusal, Reply(b""), Reply(b"<html>"))
    with server:
        client = writing(server)
        reply = client.delete("/volumes/a", timeout_s=5)
        assert (reply.ok, reply.status, reply.message) == (False, 409, "it is in use")
        with pytest.raises(Declined, match="DELETE /volumes/a was refused with status 409: it is in use"):
            reply.accepted()
        assert client.post("/a", timeout_s=5).accepted() is None
        page = client.get("/a", timeout_s=5)
        assert (page.ok, page.body) == (True, None)
        with pytest.raises(Malformed):
            page.accepted()
        client.close()


def test_no_more_is_read_than_was_agreed(served: Served) -> None:
    server, _ = served(Reply(b"[" + b" " * 2000 + b"]"))
    with server:
        client = writing(server, limit_bytes=1000)
        with pytest.raises(Malformed, match="more than the 1000 bytes"):
            client.get("/a", timeout_s=5)
        client.close()


def test_what_is_cut_raises_a_time_out_and_sends_nothing_more(served: Served) -> None:
    server, seen = served()
    with server:
        client = writing(server)
        client.cut()
        with pytest.raises(TimeoutError):
            client.post("/a", timeout_s=5)
        client.close()
    assert seen == []


def test_an_engine_that_is_not_there_is_named() -> None:
    client = WriteClient(endpoint("unix:///nowhere/docker.sock", {}, Path("/nowhere")), timeout_s=1)
    with pytest.raises(Declined) as raised:
        client.get("/info", timeout_s=1)
    assert raised.value.why is Why.NOT_REACHABLE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_packed_answer_is_refused_before_it_is_unpacked(coding: str, served: Served) -> None:
    packed = gzip.compress(bytes(64 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    server, _ = served(Verbatim(head + packed))
    with server:
        client = writing(server)
        tracemalloc.start()
        with pytest.raises(Malformed, match=f"is packed \\({coding}\\)"):
            client.get("/images/json", timeout_s=5)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        client.close()
    assert peak_bytes < 8 << 20


def test_a_body_that_comes_in_pieces_is_whole_and_its_line_is_kept(served: Served) -> None:
    """In chunks, and with a length, and one that ends with its connection: the next request finds its way."""
    text = b'{"a": "' + b"x" * 200_000 + b'"}'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (text[:7], text[7:]))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    until_the_end = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text
    kept = Verbatim(chunked, then_hang_up=False)
    server, seen = served(Reply(text), Reply(text), kept, Verbatim(until_the_end), Reply(text))
    with server:
        client = writing(server)
        assert [client.get(f"/{n}", timeout_s=5).raw for n in range(5)] == [text] * 5
        client.close()
    assert (len(seen), server.connections_count) == (5, 2)
