"""No probe outlives us: those that run are ended when the program ends, also by a signal that would just kill it."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from collectors.probe.container import REMOVE_S, ProbeContainer

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_running: set[ProbeContainer] = set()


@contextlib.contextmanager
def known(container: ProbeContainer) -> Iterator[None]:
    """While it runs."""
    _running.add(container)
    try:
        yield
    finally:
        _running.discard(container)


def end_all() -> None:
    """Have every probe removed, and wait for that as long as an engine may take."""
    ends_at = time.monotonic() + REMOVE_S + 2.0
    containers = tuple(_running)
    for container in containers:
        container.interrupt()
    for container in containers:
        container.ended.wait(max(0.0, ends_at - time.monotonic()))


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """A signal that ends the process first ends its probes. For the main thread; does nothing in others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _ended)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is _ended:
                signal.signal(number, signal.SIG_DFL)


def _ended(number: int, frame: FrameType | None) -> None:
    # Probes live in threads of their own: they go on while this waits.
    end_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


atexit.register(end_all)
