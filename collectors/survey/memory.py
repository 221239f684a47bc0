"""The journal in the terms of a report: what was, how it grows, when it will be full."""

from __future__ import annotations

from datetime import datetime

from collectors.history.folder import Folder
from collectors.model.report import TrendView


def no_trend(reason: str) -> TrendView:
    """A trend of nothing, with the reason."""
    return TrendView(0, None, (), (), (), (), reason, 0)


def recall(folder: Folder, now: datetime) -> TrendView:
    """What the journal says up to `now`."""
    return no_trend(f"no runs in {folder.path} before {now:%Y-%m-%d}")
