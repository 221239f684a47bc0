"""A Docker host for measuring walks: many small files in layers and volumes of a real engine, on an ext4 or XFS."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.lab import Lab
from tests.lab.commands import CommandFailed, run

IMAGES, LAYERS, CONTAINERS, VOLUMES = 5, 4, 5, 30
FILES_PER_FOLDER = 12
IN_VOLUMES = 0.4
CHANGED = 100
ENGINE = "28.5"  # one that measures by kind; before 23 a report has to wait for all that `system df` measures


def made(files: int, fs: str = "ext4") -> Lab:
    """A lab with room for `files`, empty."""
    options = ("-N", str(files * 13 // 10)) if fs == "ext4" else ()  # an XFS makes inodes as they are needed
    size_mib = 1024 + files * 8 // 1024
    return Lab.up(driver="overlay2", fs=fs, engine=ENGINE, mess="empty", size_mib=size_mib, mkfs_options=options)


def fill(lab: Lab, files: int) -> None:
    """`files` files: six of ten in layers, the rest in volumes; beside them containers with something written."""
    in_volumes = int(files * IN_VOLUMES)
    for image in range(IMAGES):
        layers = [_layer(image, layer, (files - in_volumes) // IMAGES // LAYERS) for layer in range(LAYERS)]
        lab.client.load_image(f"bench:{image}", layers)
    note = lab.base / "note"
    note.write_text("written in the container\n")
    for number in range(CONTAINERS):
        name = f"bench-{number}"
        lab.docker("create", "--name", name, f"bench:{number % IMAGES}", "/bin/true")
        lab.docker("cp", str(note), f"{name}:/note")
    for number in range(VOLUMES):
        lab.docker("volume", "create", f"bench-{number}")
        for file in range(in_volumes // VOLUMES):
            place = _place(lab, number, file)
            if file % FILES_PER_FOLDER == 0:
                place.parent.mkdir(parents=True)
            with open(place, "wb", buffering=0) as out:
                out.write(b"x" * (3000, 700)[file % 2])
    run("sync", "-f", lab.mount)


def change(lab: Lab, files: int, turn: int) -> None:
    """A hundred files of one volume, each in another directory, are written anew and somewhat longer."""
    in_volume = int(files * IN_VOLUMES) // VOLUMES
    for number in range(CHANGED):
        file = in_volume * number // CHANGED
        _place(lab, 7, file).write_bytes(b"y" * (5000 + 4096 * turn))


def link(lab: Lab, files: int, links: int) -> None:
    """`links` files of volumes have a second name in the volume that comes next."""
    in_volume = int(files * IN_VOLUMES) // VOLUMES
    for number in range(min(links, in_volume * VOLUMES)):
        volume, file = number % VOLUMES, number // VOLUMES
        folder = _volume(lab, (volume + 1) % VOLUMES) / "linked" / f"{file // FILES_PER_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link(_place(lab, volume, file), folder / f"{volume}-{file}")
    run("sync", "-f", lab.mount)


def settle() -> None:
    """Until what was written lies on the disk: the machine would go on writing beside what is measured."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        os.sync()
        kept = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        if sum(int(kept[name].split()[0]) for name in ("Dirty", "Writeback")) < 4096:
            break
        time.sleep(0.5)
    time.sleep(5)


def cold(lab: Lab) -> None:
    """Forget the filesystem: mount it anew, drop its disk from the page cache, and start its engine again."""
    lab.stop_engine()
    until = time.monotonic() + 60
    while True:
        try:
            run("umount", lab.mount)
            break
        except CommandFailed:  # what the engine started may take a moment to end, too
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    known = Path("/sys/fs") / lab.fs / Path(lab.device).name
    while known.exists():  # another mount namespace may hold a copy of the mount, and with it all that is cached
        if time.monotonic() > until:
            raise TimeoutError(f"{lab.device} is still mounted somewhere")
        time.sleep(0.2)
    image = lab.base / "disk0.img"
    with image.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    run("mount", lab.device, lab.mount)
    run("mount", "--make-shared", lab.mount)
    lab.start_engine()


def _volume(lab: Lab, number: int) -> Path:
    return lab.docker_root / "volumes" / f"bench-{number}" / "_data"


def _place(lab: Lab, volume: int, file: int) -> Path:
    folder = file // FILES_PER_FOLDER
    return _volume(lab, volume) / f"{folder % 97}" / f"{folder}" / f"{file}"


def _layer(image: int, layer: int, files: int) -> dict[str, bytes | int]:
    content = (b"", b"x" * 900, b"x" * 5000)
    return {
        f"usr/lib/package-{number // FILES_PER_FOLDER % 97}/part-{number // FILES_PER_FOLDER}/file-{number}": content[
            number % 3
        ]
        + (b"%d-%d-%d" % (image, layer, number) if number % 3 else b"")
        for number in range(files)
    }
