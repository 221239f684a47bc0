"""Sizes that the socket alone cannot give: one short-lived container reads the Docker root for us, only when asked to.

What it starts and removes stands in `container.py`, what the container may do in `creation.py`. Everything else here is
pure, or runs inside (`inside.py`). The engine is asked for its own figures before there is a probe, so none of them can
hold it; what the probe itself lays on the disk is taken out again (`excluding.py`).
"""

from __future__ import annotations

from collectors.probe.run import Wish, probed, watched

__all__ = ["Wish", "probed", "watched"]
