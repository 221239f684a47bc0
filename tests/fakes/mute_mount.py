"""A FUSE filesystem that answers until it is mounted and never again, over /dev/fuse and mount(2) alone.

Whoever asks it hangs. With `takes=True` it is worse: requests are taken and then not answered, and a process that waits
for one of those cannot even be killed. Leaving the context closes the device, which ends every wait.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MNT_DETACH = 2
_INIT = 26
_HEADER_IN = struct.Struct("<IIQQIIII")
_MAX_REQUEST = 1 << 20


@contextmanager
def mute_mount(folder: Path, *, takes: bool) -> Iterator[Path]:
    """Mount it at `folder`. Raises OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"mute", os.fsencode(folder), b"fuse", 0, options.encode()):
        number = ctypes.get_errno()
        os.close(device)
        raise OSError(number, os.strerror(number), str(folder))
    over = threading.Event()
    server = threading.Thread(target=_serve, args=(device, takes, over))
    server.start()
    try:
        yield folder
    finally:
        over.set()
        server.join()
        os.close(device)
        libc.umount2(os.fsencode(folder), _MNT_DETACH)


def _serve(device: int, takes: bool, over: threading.Event) -> None:
    poll = select.poll()
    poll.register(device, select.POLLIN)
    greeted = False
    while not over.is_set():
        if not poll.poll(20) or (greeted and not takes):
            over.wait(0.02)
            continue
        request = os.read(device, _MAX_REQUEST)
        _, opcode, unique, *_ = _HEADER_IN.unpack_from(request)
        if opcode == _INIT:
            body = struct.pack("<IIIIHHII", 7, 31, 0, 0, 0, 0, 4096, 1) + bytes(36)
            os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
            greeted = True
