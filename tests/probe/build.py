"""What a probe saw, small and by hand: a container's own layers beside an image, a volume and an orphan."""

from __future__ import annotations

from dataclasses import replace

from collectors.drivers.layered import OVERLAY2
from collectors.model import CacheId, ContainerId, UnitId
from collectors.model.filesystem import FsSpace
from collectors.model.reading import Exact
from collectors.model.snapshot import Disk, FilesystemStudy
from collectors.model.store import ContainerLayers, ContainerLog, Orphanhood, OrphanProof, Store, UnitKind
from tests.ledger.build import HERE, occupancy, share, study, unit

PROBE = ContainerId("a" * 64)
OTHER = ContainerId("b" * 64)
OWN_BYTES = 700


def seen() -> FilesystemStudy:
    units = (
        unit("base", UnitKind.IMAGE_LAYER, "image:i", f"container:{PROBE}", f"container:{OTHER}", immutable=True),
        unit("bare", UnitKind.IMAGE_LAYER, f"container:{PROBE}", immutable=True),
        unit("upper", UnitKind.WRITABLE_LAYER, f"container:{PROBE}"),
        unit("init", UnitKind.INIT_LAYER, f"container:{PROBE}", immutable=True),
        unit("files", UnitKind.CONTAINER_FILES, f"container:{PROBE}"),
        unit("its-log", UnitKind.LOG, f"log:{PROBE}"),
        unit("other", UnitKind.WRITABLE_LAYER, f"container:{OTHER}"),
        unit("volume", UnitKind.VOLUME, "volume:v"),
    )
    shares = (
        share(4000, "base"),
        share(50, "bare"),
        share(400, "upper"),
        share(100, "init"),
        share(100, "files"),
        share(100, "its-log"),
        share(30, "upper", "volume"),
        share(300, "other"),
        share(2000, "volume"),
    )
    return study(units, Exact(occupancy(shares), HERE), used=8000)


def disk(one: FilesystemStudy | None = None) -> Disk:
    main = one or seen()
    store = Store(
        "/d",
        "overlay2",
        OVERLAY2.facts,
        Exact((), HERE),
        Exact((), HERE),
        Exact(
            (ContainerLayers(PROBE, CacheId("x"), None, None), ContainerLayers(OTHER, CacheId("y"), None, None)), HERE
        ),
        Exact((), HERE),
        Exact((ContainerLog(OTHER, "json-file", (), 0, 0, False), ContainerLog(PROBE, "none", (), 0, 0, True)), HERE),
        Exact(main.units, HERE),
        Exact(tuple(OrphanProof(UnitId(name), Orphanhood.YOUNG, (), (), 1.0, "") for name in ("upper", "lost")), HERE),
    )
    return Disk(Exact("/d", HERE), Exact(store, HERE), (main,), ())


def with_space(one: FilesystemStudy, space: FsSpace) -> FilesystemStudy:
    return replace(one, filesystem=replace(one.filesystem, space=Exact(space, HERE)))
