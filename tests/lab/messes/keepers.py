"""What reclaiming must leave alone, beside what it may take: `survives` says which.

`destructive`: no tier may ever remove it. `safe`: only a tier above the safe one may. Empty: any tier may. Refuses
anything whose loss would not show: every object here is named in the truth.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.lab import describe, engine, measure
from tests.lab.messes._write import MIB, until_asleep
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = ("unused-images",)

_LABELLED = "FROM base:1\nCOPY own /own\nLABEL ullage.keep=true\n"
_PLAIN = "FROM base:1\nCOPY own /own\n"
_CACHED = "FROM base:1\nCOPY own /own\nRUN head -c 2097152 /dev/urandom > /made\n"


def make(lab: Lab) -> list[Planted]:
    """Images of every standing, containers, volumes, a build cache; then what each of them may expect."""
    lab.client.base_image()
    _images(lab)
    _containers(lab)
    _volumes(lab)
    lab.docker("rmi", lab.build("gone/cached:1", {"Dockerfile": _CACHED, "own": os.urandom(3 * MIB)}))
    until_asleep(lab, "api-1")
    measure.flush(lab.mount)  # compsize sees only what has reached the disk
    return [*_kept_images(lab), *_kept_containers(lab), *_kept_volumes(lab)]


def _images(lab: Lab) -> None:
    def build(tag: str, dockerfile: str, size_bytes: int) -> str:
        return lab.build(tag, {"Dockerfile": dockerfile, "own": os.urandom(size_bytes)}, buildkit=False)

    build("shop/api:1", _PLAIN, 4 * MIB)
    lab.docker("tag", "shop/api:1", "shop/api:stable")
    build("shop/job:1", _PLAIN, 3 * MIB)
    build("shop/kept:1", _LABELLED, 5 * MIB)
    build("shop/moved:1", _LABELLED, 6 * MIB)
    # The tag moves on: a labelled image without a name, and a plain one.
    build("shop/moved:1", _PLAIN, 2 * MIB)
    build("shop/moved:1", _PLAIN, 1 * MIB)


def _containers(lab: Lab) -> None:
    write = f"head -c {2 * MIB} /dev/urandom > /tmp/written; "
    lab.client.run("shop/api:1", "api-1", write + "exec sleep 100000", "-v", "shop-data:/data")
    lab.client.run("shop/job:1", "job-1", write, "-v", "/scratch")
    lab.client.run("base:1", "kept-1", write, "--label", "ullage.keep=true")
    lab.docker("create", "--network", "none", "--name", "new-1", "base:1", "sh")
    lab.docker("wait", "job-1", "kept-1")


def _volumes(lab: Lab) -> None:
    fill = f"head -c {3 * MIB} /dev/urandom > /data/filled"
    for options in (("-v", "precious:/data"), ("-v", "/data")):
        lab.client.run("base:1", "filler", fill, *options)
        lab.docker("wait", "filler")
        # Without -v: the anonymous volume stays, in nobody's use.
        lab.docker("rm", "filler")


def _kept_images(lab: Lab) -> list[Planted]:
    used = {c["ImageID"] for c in engine.get(lab.socket, "/containers/json?all=1") if c["Names"][0] != "/job-1"}
    found = []
    for image in engine.get(lab.socket, "/images/json"):
        is_named = any(tag != "<none>:<none>" for tag in image["RepoTags"] or [])
        is_labelled = (image.get("Labels") or {}).get("ullage.keep") == "true"
        is_kept = image["Id"] in used or is_labelled
        kind = "image" if is_named else "dangling image"
        note = "labelled ullage.keep=true" if is_labelled else ""
        found.append(
            _claim("images", kind, image["Id"], note, "destructive" if is_kept else "safe" if is_named else "")
        )
    return found


def _kept_containers(lab: Lab) -> list[Planted]:
    """Running and labelled ones stay; the exited and the merely created may go with the careful tier."""
    return [
        _claim(
            "containers",
            "writable layer",
            container["Id"],
            "labelled ullage.keep=true" if container["Labels"].get("ullage.keep") == "true" else "",
            "destructive" if container["Names"][0] in ("/api-1", "/kept-1") else "safe",
        )
        for container in engine.get(lab.socket, "/containers/json?all=1")
    ]


def _kept_volumes(lab: Lab) -> list[Planted]:
    """Whatever their kind and whoever uses them: volumes are never taken by a machine."""
    return [
        _claim("volumes", p.kind, p.id, "used" if p.name == "shop-data" else "", "destructive")
        for p in describe.volumes(lab)
    ]


def _claim(category: str, kind: str, id: str, note: str, survives: str) -> Planted:
    """Said about an object that the engine lists itself: its name and figures come from there."""
    return Planted(
        category=category,
        kind=kind,
        name="",
        id=id,
        path=None,
        allocated_bytes=None,
        apparent_bytes=0,
        note=note,
        survives=survives,
    )
