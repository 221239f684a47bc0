"""Lists what an engine holds as planted objects, each with the bytes of its own folder or file.

The names and ids are the engine's, the bytes come from `tests.lab.measure`: on btrfs an object's figure is the
distinct extents of its own tree, shared or not. Refuses to judge: whatever is there is listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import engine, layout, measure
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab


def everything(lab: Lab) -> list[Planted]:
    """Images, layers, containers, logs, volumes and build cache records of a lab with a running engine."""
    owned = layout.owned(lab.docker_root, lab.driver, lab.socket)
    return [*images(lab, owned), *containers(lab, owned), *logs(lab), *volumes(lab), *build_cache(lab)]


def placed(
    lab: Lab, category: str, kind: str, path: Path, *, name: str = "", id: str = "", note: str = "", survives: str = ""
) -> Planted:
    """One object that is a file or folder, measured where it lies."""
    return Planted(
        category=category,
        kind=kind,
        name=name or path.name,
        id=id or path.name,
        path=str(path),
        allocated_bytes=measure.allocated_bytes(lab.fs, [path]),
        apparent_bytes=measure.apparent_bytes([path]),
        note=note,
        survives=survives,
    )


def images(lab: Lab, owned: layout.Owned) -> list[Planted]:
    """Every image (layers and content together) and every layer of one (alone). A dangling image has no name."""
    found = []
    names: dict[str, list[str]] = {
        image["Id"]: [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"]
        for image in engine.get(lab.socket, "/images/json")
    }
    for image, chain in owned.chains.items():
        if image in names:  # the others are intermediate steps of a legacy build: layers of these
            parts = [owned.layers[layer] for layer in chain if layer in owned.layers] + owned.content.get(image, [])
            found.append(
                Planted(
                    category="images",
                    kind="image" if names[image] else "dangling image",
                    name=" ".join(sorted(names[image])),
                    id=image,
                    path=None,
                    allocated_bytes=measure.allocated_bytes(lab.fs, parts),
                    apparent_bytes=measure.apparent_bytes(parts),
                    note=f"{len(chain)} layers, shared ones included",
                )
            )
    users = {layer: sum(layer in chain for chain in owned.chains.values()) for layer in owned.layers}
    return found + [
        placed(lab, "images", "layer", folder, id=layer, note=f"in {users[layer]} images, steps included")
        for layer, folder in owned.layers.items()
    ]


def containers(lab: Lab, owned: layout.Owned) -> list[Planted]:
    """The writable layer of every container, and its init layer beside it."""
    found = []
    for listed in engine.get(lab.socket, "/containers/json?all=1"):
        note = f"{listed['State']}, image {listed['Image']}"
        for number, folder in enumerate(owned.containers.get(listed["Id"], [])):
            kind = "init layer" if number else "writable layer"
            found.append(
                placed(lab, "containers", kind, folder, name=listed["Names"][0][1:], id=listed["Id"], note=note)
            )
    return found


def logs(lab: Lab) -> list[Planted]:
    """Every log file: json-file, the `local` driver's in `local-logs/`, Podman's in `userdata/`."""
    names: dict[str, Any] = {c["Id"]: c["Names"][0][1:] for c in engine.get(lab.socket, "/containers/json?all=1")}
    found = []
    for path in layout.log_files(lab.docker_root):
        kind = {"local-logs": "local log", "userdata": "k8s-file log"}.get(path.parent.name, "json-file log")
        owner = path.parent.name if kind == "json-file log" else path.parent.parent.name
        found.append(placed(lab, "logs", kind, path, name=names.get(owner, owner), id=owner, note=path.name))
    return found


def volumes(lab: Lab) -> list[Planted]:
    """Every volume of the local driver; an anonymous one has a name of 64 hexadecimal digits."""
    hexadecimal = set("0123456789abcdef")
    return [
        placed(lab, "volumes", "anonymous" if len(p.name) == 64 and set(p.name) <= hexadecimal else "named", p)
        for p in layout.volumes(lab.docker_root)
    ]


def build_cache(lab: Lab) -> list[Planted]:
    """Every BuildKit record. Its size is the engine's word; which folder it is, a record often does not say."""
    return [
        Planted(
            category="build_cache",
            kind=record["Type"],
            name=record["Description"],
            id=record["ID"],
            path=None,
            allocated_bytes=None,
            apparent_bytes=record["Size"],
            note="shared with an image" if record["Shared"] else "",
        )
        for record in engine.get(lab.socket, "/system/df").get("BuildCache") or []
    ]
