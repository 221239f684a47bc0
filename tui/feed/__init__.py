"""Where reports come from: the live machine or a recording."""

from __future__ import annotations

from tui.feed.live import LiveFeed
from tui.feed.replay import ReplayFeed

Feed = LiveFeed | ReplayFeed
