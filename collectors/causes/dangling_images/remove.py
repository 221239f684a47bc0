"""Images as others are removed, and only while they are still untagged."""

from __future__ import annotations

from collectors.causes.unused_images.remove import Images


class DanglingImages(Images):
    dangling = True
