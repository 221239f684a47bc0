"""The samples of a btrfs in OpenMetrics. Only the program's own words are labels."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from collectors.model.btrfs import Btrfs
from collectors.model.reading import Unavailable
from collectors.model.sums import charged

_PREFIX = "ullage_btrfs"


def samples(btrfs: Btrfs) -> Iterator[Metric]:
    """What was read; nothing for what was not."""
    if not isinstance(btrfs.unallocated_bytes, Unavailable):
        unallocated = charged(btrfs.unallocated_bytes)
        yield GaugeMetricFamily(f"{_PREFIX}_unallocated_bytes", "Device bytes in no chunk", value=unallocated)
    if isinstance(btrfs.spaces, Unavailable):
        return
    family = GaugeMetricFamily(f"{_PREFIX}_fill_ratio", "Used of allocated, 0 to 1", labels=["kind"])
    totals: dict[str, list[int]] = {}
    for space in btrfs.spaces.value:
        used_total = totals.setdefault(space.kind, [0, 0])
        used_total[0] += space.logical_used_bytes
        used_total[1] += space.logical_total_bytes
    for kind, (used, total) in totals.items():
        if total:
            family.add_metric([kind], used / total)
    yield family
