"""A registry on this machine's loopback with one image in it, whose last layer never comes to its end.

For pulls that are given up half way. Serves what a pull asks for and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
REPOSITORY = "app"


@contextmanager
def stalling(whole_bytes: int, part_bytes: int) -> Iterator[str]:
    """The name of an image of two layers: one of `whole_bytes`, and one of which `part_bytes` come and then no more."""
    layers = [_layer(whole_bytes), _layer(2 * part_bytes)]
    diffs = [_digest(gzip.decompress(layer)) for layer in layers]
    rootfs = {"type": "layers", "diff_ids": diffs}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}).encode()
    told = [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)} for layer in layers]
    head = {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "config": head, "layers": told}).encode()
    blobs = {_digest(one): one for one in (*layers, config, manifest)}
    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(blobs, manifest, _digest(layers[1]), part_bytes, over))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/{REPOSITORY}:1"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def _layer(size_bytes: int) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(f"data-{size_bytes}")
        entry.size = size_bytes
        tar.addfile(entry, io.BytesIO(os.urandom(size_bytes)))
    return gzip.compress(made.getvalue(), compresslevel=0, mtime=0)


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _handler(
    blobs: dict[str, bytes], manifest: bytes, stalls: str, part_bytes: int, over: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        default_request_version = "HTTP/1.1"  # who tries TLS first learns from the answer that this is none

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            name = self.path.rpartition("/")[2]
            found = manifest if "/manifests/" in self.path else b"{}" if not name else blobs.get(name)
            self.send_response(404 if found is None else 200)
            found = found or b""
            self.send_header("Content-Type", _MANIFEST if "/manifests/" in self.path else "application/octet-stream")
            self.send_header("Docker-Content-Digest", _digest(found))
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            if body:
                self.wfile.write(found[:part_bytes] if name == stalls else found)
            if body and name == stalls:
                over.wait()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
