"""One conversation with one engine under one deadline: GET in, bytes out. Refuses to decode, and to outlive its time.

Whatever the engine does (accept and keep silent, stop, send a byte a second or a body without end), every request
ends by the deadline: a watchdog cuts the connection under it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import Api, EngineBusy, HungUp
from collectors.model import dataclass
from collectors.model.reading import Origin, Unavailable, Why
from collectors.system.deadline import Declined, attempt, missing

if TYPE_CHECKING:
    from collectors.engine.network import ReadClient

# 5,000 containers list in 8 MB, 100,000 build records in 40 MB; a decoded body takes several times its bytes.
BODY_LIMIT_BYTES = 64 * 2**20

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

K = TypeVar("K")
T = TypeVar("T")
# Names and values, in order.
Query: TypeAlias = tuple[tuple[str, str], ...]

# Our own work is bound to one processor; more would only queue at the engine.
_WORKERS = 4
# An engine that holds one container's lock (on a hung mount) keeps silent about that container alone.
PATIENCE_S = 3.0

# What cutting a connection and decoding the last answer may take after the deadline.
GRACE_S = 0.4


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    origin: Origin


def said(path: str, query: Query) -> str:
    """A request as an origin names it: `GET /system/df?type=image`."""
    return f"GET {path}" + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")


class Session:
    """Use in `with`. `get` may be called from several threads; none of it outlives `deadline_s` seconds."""

    def __init__(self, endpoint: Endpoint, *, deadline_s: float, body_limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self.endpoint = endpoint
        self.deadline_s = deadline_s
        self._ends_at = time.monotonic() + deadline_s
        self._limit_bytes = body_limit_bytes
        self._lock = threading.Lock()
        self._client: ReadClient | None = None
        self._closed = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="engine deadline", daemon=True)

    def __enter__(self) -> Session:
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        client = self._client  # not under the lock: a thread may hold it that hangs in an ssh handshake
        if client is not None:
            client.cut()
            client.close()
        self._watchdog.join(GRACE_S)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; 0 or less once it has passed."""
        return self._ends_at - time.monotonic()

    def get(
        self,
        path: str,
        query: Query = (),
        *,
        source: str,
        api: Api | None,
        call: str | None = None,
        patience_s: float | None = None,
    ) -> Answer:
        """One GET. `api` None asks without a version; `patience_s` bounds each wait for bytes below the deadline.

        `call` stands for path and query in the answer's origin, where one of many alike is asked.

        Raises Declined, Malformed or TimeoutError.
        """
        began = time.monotonic()
        pause_s, hung_up = _FIRST_PAUSE_S, False
        while True:
            try:
                body = self._get(f"/v{api}{path}" if api is not None else path, query, patience_s)
            except EngineBusy:
                if self.left_s <= pause_s or self._closed.wait(pause_s):
                    raise
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            except HungUp:
                if hung_up:
                    raise
                hung_up = True
            else:
                asked = call or said(path, query)
                return Answer(body, Origin(source, asked, datetime.now(UTC), time.monotonic() - began))

    def _get(self, path: str, query: Query, patience_s: float | None) -> bytes:
        left_s = self.left_s
        if left_s <= 0 or self._closed.is_set():
            raise TimeoutError(self._too_late())
        wait_s = left_s if patience_s is None else min(left_s, patience_s)
        try:
            return self._opened().get(path, query, timeout_s=wait_s, limit_bytes=self._limit_bytes)
        except TimeoutError:  # the connection was cut
            raise TimeoutError(self._too_late()) from None
        except Declined as refusal:
            if refusal.why is Why.TIMED_OUT and not isinstance(refusal, EngineBusy):
                raise TimeoutError(
                    self._too_late() if self.left_s <= 0.05 else f"no answer in {wait_s:.3g} s"
                ) from None
            raise

    def _opened(self) -> ReadClient:
        with self._lock:
            if self._client is None:
                # A run that needs no engine does without HTTP.
                from collectors.engine.network import ReadClient

                self._client = ReadClient(self.endpoint, timeout_s=self.left_s)
            if self._closed.is_set() or self.left_s <= 0:  # opening took longer than there was time
                self._client.cut()
                self._client.close()
            return self._client

    def _watch(self) -> None:
        if not self._closed.wait(max(0.0, self.left_s)):
            client = self._client
            if client is not None:
                client.cut()

    def _too_late(self) -> str:
        return f"no answer in {self.deadline_s:.3g} s"


def each(
    things: Sequence[K], inspect: Callable[[K], T], session: Session, *, source: str, call: str
) -> dict[K, T | Unavailable]:
    """`inspect` of each thing, or why there is none; NOT_ASKED for those that no time was left for."""
    found: dict[K, T | Unavailable] = {}
    waiting = iter(things)
    lock = threading.Lock()

    def work() -> None:
        while session.left_s > 0:
            with lock:
                thing = next(waiting, None)
            if thing is None:
                return
            answer = attempt(source, call, partial(inspect, thing))
            found[thing] = answer if isinstance(answer, Unavailable) else answer.value

    count = min(_WORKERS, len(things))
    workers = [threading.Thread(target=work, name=f"{source} {n}", daemon=True) for n in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, session.left_s) + GRACE_S)
    late = missing(Why.NOT_ASKED, "no time was left for it", source, call)
    return {thing: found.get(thing, late) for thing in things}
