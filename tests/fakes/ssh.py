"""An ssh server that hands `docker system dial-stdio` to an engine's socket. Needs paramiko."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped,import-not-found,unused-ignore]


@contextlib.contextmanager
def ssh_server(engine: Path, home: Path) -> Iterator[str]:
    """A server in front of the socket `engine`; its address. `home` gets the client's key, known_hosts and config."""
    host_key, user_key = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = home / ".ssh"
    settings.mkdir(mode=0o700)
    user_key.write_private_key_file(str(settings / "id_ecdsa"))
    (settings / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.get_name()} {host_key.get_base64()}\n")
    (settings / "config").write_text("Host *\n  User me\n")
    transports: list[Any] = []

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(line)
            transport.add_server_key(host_key)
            transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=_Door(engine))

    threading.Thread(target=accept, name="fake sshd", daemon=True).start()
    try:
        yield f"ssh://me@127.0.0.1:{port}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()


class _Door(paramiko.ServerInterface):  # type: ignore[misc,unused-ignore]
    def __init__(self, engine: Path) -> None:
        self._engine = engine

    def check_auth_publickey(self, username: str, key: object) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        if command != b"docker system dial-stdio":
            return False
        inner = socket.socket(socket.AF_UNIX)
        inner.connect(str(self._engine))
        for read, write, end in (
            (channel.recv, inner.sendall, lambda: inner.shutdown(socket.SHUT_WR)),
            (inner.recv, channel.sendall, channel.close),
        ):
            threading.Thread(target=_pump, args=(read, write, end), name="fake sshd", daemon=True).start()
        return True


def _pump(read: Any, write: Any, end: Any) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := read(65536):
            write(data)
    with contextlib.suppress(OSError, EOFError):
        end()
