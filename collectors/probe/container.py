"""The only code that starts a container: one, attached to, heard to its end, and removed whatever happens.

It creates one container under a name of its own (`ullage-probe-…`, label `ullage.probe=true`, see `creation.py` for
all that it may do), starts it, reads what it says until it ends, and removes it: by id, by force, with any anonymous
volume. Nothing else is ever created, started or removed; no image is pulled. The engine removes it too as soon as it
ends, which it does by its own deadline: so one whose parent was killed outright leaves nothing behind.

An engine sends both streams of an attached container as one, in frames. Refuses to hold more of it than it was told to.
"""

from __future__ import annotations

import secrets
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from collectors.engine.endpoint import Endpoint
from collectors.engine.questions import soon
from collectors.engine.session import BODY_LIMIT_BYTES
from collectors.model import dataclass
from collectors.model.reading import Why
from collectors.probe.creation import Json
from collectors.system.deadline import Declined, Malformed, reason

if TYPE_CHECKING:
    from concurrent.futures import Future

    from collectors.engine.write_client import WriteClient

_HEAD = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_LAST_WORDS_BYTES = 2048


class Streams:
    """Feed it the raw stream. `stdout` is kept whole, up to the limit; of stderr the last words."""

    def __init__(self, limit_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._limit_bytes = limit_bytes
        self._head = b""
        self._stream, self._left = 0, 0

    def feed(self, data: bytes) -> None:
        """Raises Malformed for what are no frames, and for more than is read."""
        view = memoryview(data)
        while len(view):
            if not self._left:
                missing = _HEAD.size - len(self._head)
                self._head += bytes(view[:missing])
                view = view[missing:]
                if len(self._head) == _HEAD.size:
                    self._stream, self._left = _HEAD.unpack(self._head)
                    self._begin(self._head)
                    self._head = b""
                continue
            piece = bytes(view[: self._left])
            view = view[len(piece) :]
            self._left -= len(piece)
            self._take(piece)

    def _begin(self, head: bytes) -> None:
        if self._stream not in (_STDOUT, _STDERR) or head[1:4] != b"\0\0\0":
            raise Malformed(f"what the engine sends for the container is no stream of frames; it begins {head!r}")

    def _take(self, piece: bytes) -> None:
        if self._stream == _STDERR:
            self.stderr += piece
            del self.stderr[:-_LAST_WORDS_BYTES]
            return
        self.stdout += piece
        if len(self.stdout) > self._limit_bytes:
            raise Malformed(f"its answer is more than the {self._limit_bytes} bytes that are read")


REMOVE_S = 8.0  # an engine that takes longer to kill and remove one is not waited for
_ANSWER_BYTES = 1 << 20  # of the engine itself; what the container says is read apart
_PAUSE_S = 0.1
_STATUS_S = 1.0
_ATTACHED = (("stream", "1"), ("stdout", "1"), ("stderr", "1"))
_FORCED = (("force", "1"), ("v", "1"))


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the container said. `status` None: the engine did not tell how it ended. `left`: why it may be there yet."""

    id: str
    stdout: bytes
    stderr: str
    status: int | None
    left: str


class ProbeContainer:
    """One container's life. `run` once; `interrupt` from another thread ends it early."""

    def __init__(self, endpoint: Endpoint, api: str, body: Json) -> None:
        self.name = f"ullage-probe-{secrets.token_hex(4)}"
        self.ended = threading.Event()  # nothing of it is left to do
        self._endpoint = endpoint
        self._api = f"/v{api}"
        self._body = body
        self._interrupted = threading.Event()
        self._client: WriteClient | None = None
        self._id = ""

    def run(self, *, seconds: float) -> Spoken:
        """Until it ends, for at most so long; then some seconds more until it is removed.

        Raises Declined: then it is removed as well, or the sentence says that it is not.
        """
        try:
            spoken = self._live(seconds)
        except Exception as error:
            left = self._remove()
            why, detail = reason(self._named(error, seconds))
            raise Declined(why, f"{detail}; {left}" if left else detail) from error
        else:
            return Spoken(spoken.id, spoken.stdout, spoken.stderr, spoken.status, self._remove())
        finally:
            self.ended.set()

    def interrupt(self) -> None:
        """Have it end now. Returns at once; `ended` is set when it is removed."""
        self._interrupted.set()
        client = self._client
        if client is not None and self._id:  # an answer to the creation is waited for: it may have been carried out
            client.cut()

    def _live(self, seconds: float) -> Spoken:
        with opened(self._endpoint, seconds) as client:
            self._client = client
            self._id = self._created(client, seconds)
            place = f"{self._api}/containers/{self._id}"
            streams = Streams(BODY_LIMIT_BYTES)
            with client.stream(f"{place}/attach", _ATTACHED, timeout_s=seconds) as pieces:
                self._go_on()
                waited = soon("probe container", lambda: client.post(f"{place}/wait", timeout_s=seconds).accepted())
                client.post(f"{place}/start", timeout_s=seconds).accepted()
                for piece in pieces:
                    self._go_on()
                    streams.feed(piece)
            said = bytes(streams.stdout), streams.stderr.decode("utf-8", "replace").strip()
            return Spoken(self._id, *said, _status(waited), "")

    def _created(self, client: WriteClient, seconds: float) -> str:
        self._go_on()
        path = f"{self._api}/containers/create"
        answer = client.post(path, (("name", self.name),), self._body, timeout_s=seconds).accepted()
        found = answer.get("Id") if isinstance(answer, dict) else None
        if not isinstance(found, str) or not found.isalnum():
            raise Malformed("the engine created a container and does not tell its id")
        return found

    def _go_on(self) -> None:
        if self._interrupted.is_set():
            raise Declined(Why.NOT_ASKED, "interrupted")

    def _named(self, error: Exception, seconds: float) -> Exception:
        if not isinstance(error, TimeoutError):
            return error
        # We cut the connection: because somebody wanted it to end, or because its time was over.
        if self._interrupted.is_set():
            return Declined(Why.NOT_ASKED, "interrupted")
        return TimeoutError(f"it gave no answer in {seconds:.3g} s")

    def _remove(self) -> str:
        """Gone afterwards: "", or why not. On a connection of its own: that of its life may have been cut."""
        path = f"{self._api}/containers/{self._id or self.name}"
        ends_at, why = time.monotonic() + REMOVE_S, "the engine keeps it"
        with opened(self._endpoint, REMOVE_S) as client:
            while (left_s := ends_at - time.monotonic()) > 0:
                try:
                    client.delete(path, _FORCED, timeout_s=left_s).accepted()
                except (Declined, Malformed, TimeoutError) as error:  # under way already, or gone: looked at next
                    why = str(error) or why
                try:
                    client.get(f"{path}/json", timeout_s=left_s).accepted()
                except Declined as refusal:
                    if refusal.why is Why.NOT_REPORTED:  # 404
                        return ""
                    why = refusal.detail
                except (Malformed, TimeoutError) as error:
                    why = str(error) or why
                time.sleep(_PAUSE_S)
        return f"container {self.name} may be left: {why}"


class opened:  # a context manager that reads as a function
    """A client that is cut after so many seconds."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        from collectors.engine.write_client import WriteClient  # loads the SDK, which who never probes does without

        self._client = WriteClient(endpoint, timeout_s=seconds, limit_bytes=_ANSWER_BYTES)
        self._timer = threading.Timer(seconds, self._client.cut)
        self._timer.daemon = True

    def __enter__(self) -> WriteClient:
        self._timer.start()
        return self._client

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._client.cut()
        self._client.close()


def _status(waited: Future[Any]) -> int | None:
    """How the container ended, if the engine says so in time."""
    try:
        answer = waited.result(_STATUS_S)
    except Exception:  # noqa: BLE001 - it only completes a sentence
        return None
    status = answer.get("StatusCode") if isinstance(answer, dict) else None
    return status if isinstance(status, int) else None
