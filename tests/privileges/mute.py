"""`python mute.py COMMAND...`: become COMMAND where the kernel kills whoever listens, or opens a datagram socket.

A seccomp filter, inherited by every child: nothing that comes and goes between two looks at /proc can slip through.
Unix sockets may be opened and connected, as the engine's has to be.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

# socket, listen: the numbers of the two architectures that Docker's own packages are most used on.
_NUMBERS = {"x86_64": (41, 50), "aarch64": (198, 201)}
_NR, _FAMILY, _TYPE = 0, 16, 24  # offsets in struct seccomp_data, little endian
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _instructions() -> bytes:
    new, listen = _NUMBERS[platform.machine()]
    code = (
        (_LOAD, 0, 0, _NR),
        (_EQUAL, 8, 0, listen),
        (_EQUAL, 0, 6, new),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 1, 0, socket.AF_INET),
        (_EQUAL, 0, 3, socket.AF_INET6),
        (_LOAD, 0, 0, _TYPE),
        (_AND, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
        (_EQUAL, 1, 0, socket.SOCK_DGRAM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL),
    )
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def install() -> None:
    """Put the filter over this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = _instructions()
    program = _Program(len(code) // 8, code)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    install()
    os.execvp(sys.argv[1], sys.argv[1:])
