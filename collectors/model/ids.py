"""Identifiers that look alike and must not be exchanged."""

from __future__ import annotations

from typing import NewType

ImageId = NewType("ImageId", str)  # "sha256:…" of the image config (graph driver) or manifest (containerd store)
ContainerId = NewType("ContainerId", str)  # 64 hex digits
DiffId = NewType("DiffId", str)  # "sha256:…" of one layer's uncompressed tar
ChainId = NewType("ChainId", str)  # "sha256:…" of a layer on top of all those below it
CacheId = NewType("CacheId", str)  # the driver's name of a directory or subvolume
UnitId = NewType("UnitId", str)  # a directory or subvolume that is measured as one thing: its path below the mount
SubvolumeId = NewType("SubvolumeId", int)
