"""The program as an image, which a probe container can be started from: interpreter, libraries and checkout, copied.

Everything lies at the path where it lies here. As small as it can be: of the standard library what is no test, of the
installed packages what the headless half imports, of the system the shared libraries that these name.
"""

from __future__ import annotations

import io
import os
import re
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from tests.lab import Lab
from tests.lab.client import Client
from tests.lab.commands import CommandFailed, run
from tests.privileges import program

IMAGE = "ullage-program:1"
_PACKAGES = (
    "docker",
    "requests",
    "urllib3",
    "certifi",
    "charset-normalizer",
    "idna",
    "humanize",
    "numpy",
    "crc32c",
    "platformdirs",
)
_LEFT_OUT = ("__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "turtledemo")
_LIBRARY = re.compile(r"(/\S+) \(0x")


def build(engine: Lab | Client) -> str:
    """Import it into an engine, a lab's own for one; its id. Its entry point is the headless half."""
    settings = [f"ENV {name}={value}" for name, value in program.environment().items()]
    words = ", ".join(f'"{word}"' for word in (program.interpreter(), *program.MODULE))
    changes = [word for one in (*settings, f"ENTRYPOINT [{words}]") for word in ("--change", one)]
    return engine.docker("import", *changes, "-", IMAGE, stdin=_archive()).split()[-1]


@cache
def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in sorted({*_ours(), *_linked(_ours())}):
            tar.add(path, arcname=path.lstrip("/"), recursive=False)
    return packed.getvalue()


@cache
def _ours() -> tuple[str, ...]:
    prefix = os.path.realpath(sys.base_prefix)
    packages = (str(file.locate()) for name in _PACKAGES for file in distribution(name).files or ())
    return (
        program.interpreter(),
        *(str(path) for path in Path(prefix, "lib").glob("libpython3*.so*")),
        *_below(os.path.realpath(sysconfig.get_path("stdlib"))),
        *(path for path in map(os.path.realpath, packages) if os.path.isfile(path)),
        *_below(str(program.CHECKOUT / "collectors")),
    )


def _below(folder: str) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and name != "site-packages"]
        folders[:] = [name for name in folders if not name.startswith("config-")]
        yield from (os.path.join(above, name) for name in files if not name.startswith("_tkinter"))


def _linked(files: Iterable[str]) -> Iterator[str]:
    """The shared libraries that these files name, and those that they name."""
    for path in files:
        if path.endswith(".so") or path == program.interpreter():
            try:
                told = run("ldd", path)
            except CommandFailed:  # no dynamic object
                continue
            yield from map(os.path.normpath, _LIBRARY.findall(told))
