"""How each category is called on screen: one letter, a title, a short word, and one sentence that explains it.

The letter is what carries the meaning where colour cannot. Refuses to know sizes or colours.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.model.ledger import Category


@dataclass(frozen=True, slots=True)
class CategoryLabel:
    """The name of one part of the disk on screen. `key` is the category's identifier, or `free` and `reserved`."""

    key: str
    letter: str
    title: str
    short: str
    about: str


FREE = CategoryLabel("free", "F", "Free", "free", "What a user of this filesystem can still write.")
RESERVED = CategoryLabel(
    "reserved", "R", "Free, reserved", "reserved", "Free bytes kept for root or for the filesystem itself."
)
SUBVOLUMES = CategoryLabel(
    "subvolumes",
    "=",
    "All subvolumes",
    "subvolumes",
    "Every subvolume. They overlap: their sizes do not add up.",
)

_FACES = {
    Category.ORPHANS: CategoryLabel(
        "orphans",
        "O",
        "Orphaned layers",
        "orphaned",
        "No image, container or build uses them. Not counted by docker system df.",
    ),
    Category.IMAGES: CategoryLabel(
        "images", "I", "Images", "images", "Layers of images. What several images share is counted once."
    ),
    Category.VOLUMES: CategoryLabel(
        "volumes", "V", "Volumes", "volumes", "Data of applications. No plan deletes it by itself."
    ),
    Category.BUILD_CACHE: CategoryLabel(
        "build_cache", "B", "Build cache", "cache", "BuildKit's records that no image shares."
    ),
    Category.LOGS: CategoryLabel(
        "logs",
        "L",
        "Container logs",
        "logs",
        "Log files of containers, rotated ones too. Not counted by docker system df.",
    ),
    Category.SNAPSHOTS: CategoryLabel(
        "snapshots", "S", "Snapshots", "snapshots", "Data that only btrfs snapshots outside Docker still hold."
    ),
    Category.CONTAINERS: CategoryLabel(
        "containers",
        "C",
        "Container layers",
        "containers",
        "Writable layers: what containers wrote on top of their images.",
    ),
    Category.DOCKER_OTHER: CategoryLabel(
        "docker_other",
        "E",
        "Other Docker files",
        "docker other",
        "Everything else under the Docker root: tmp, plugins, old drivers.",
    ),
    Category.OTHER_FILES: CategoryLabel(
        "other_files", "N", "Other files", "other", "Files outside Docker on the same filesystem."
    ),
    Category.METADATA: CategoryLabel(
        "metadata", "M", "Metadata", "metadata", "What the filesystem takes for itself, with its copies and reserve."
    ),
    Category.DELETED_PENDING: CategoryLabel(
        "deleted_pending",
        "D",
        "Deleted, pending",
        "pending",
        "Deleted subvolumes whose space btrfs has not freed yet.",
    ),
    Category.DELETED_OPEN: CategoryLabel(
        "deleted_open",
        "X",
        "Deleted, still open",
        "open",
        "Unlinked files that a process keeps open: freed when it restarts.",
    ),
    Category.UNATTRIBUTED: CategoryLabel(
        "unattributed",
        "?",
        "Unattributed",
        "unattributed",
        "Used bytes that nothing measured explains. Always shown.",
    ),
}


def label_of(category: Category) -> CategoryLabel:
    return _FACES[category]


def label_by_key(key: str) -> CategoryLabel:
    """The label of a category's identifier, or of `free`, `reserved`, `subvolumes`. ValueError for any other."""
    if key == FREE.key:
        return FREE
    if key == RESERVED.key:
        return RESERVED
    if key == SUBVOLUMES.key:
        return SUBVOLUMES
    return _FACES[Category(key)]


ALL: tuple[CategoryLabel, ...] = (*_FACES.values(), RESERVED, FREE)
