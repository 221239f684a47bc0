"""A made-up host as the program meets it: a snapshot, and what the journal knows of its growth; then what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from collectors.drivers import DRIVERS
from collectors.ledger import Account
from collectors.model import HOST_UNIT, ContainerId, ImageId, UnitId
from collectors.model.engine import (
    Attachment,
    BuildRecord,
    Container,
    DaemonConfig,
    Engine,
    EngineView,
    Flavour,
    Image,
    ImageStore,
    Volume,
)
from collectors.model.filesystem import (
    Filesystem,
    FsSpace,
    Mount,
    Occupancy,
    OpenDeleted,
    OpenFiles,
    PathUsage,
    Share,
    Usage,
)
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why
from collectors.model.report import Growth, Report
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import ContainerLog, Orphanhood, OrphanProof, Store, Unit, UnitKind
from collectors.pipeline.judge import Ruling, close_books, judge, report
from collectors.pipeline.memory import Memory, blank
from tests.judgement.draw import hex64
from tests.judgement.host import GIB, MIB, Host, Kind, Thing
from tests.judgement.key import Holder, holders
from tests.planning.build import btrfs
from tests.world import a_view

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = Origin("test", "made up", NOW, 0.0)
CUT = Unavailable(Why.TIMED_OUT, "the walk did not come to its end", HERE)
NOT_READ = Unavailable(Why.NOT_REPORTED, "", HERE)
DEVICE = "254:0"
_BASE = ImageId(f"sha256:{hex64('base')}")
_UNITS = {
    Kind.IMAGE: UnitKind.IMAGE_LAYER,
    Kind.DANGLING: UnitKind.IMAGE_LAYER,
    Kind.RUNNING: UnitKind.WRITABLE_LAYER,
    Kind.STOPPED: UnitKind.WRITABLE_LAYER,
    Kind.LOG: UnitKind.LOG,
    Kind.VOLUME: UnitKind.VOLUME,
    Kind.CACHE: UnitKind.BUILD_SNAPSHOT,
    Kind.ORPHAN: UnitKind.ORPHAN_CANDIDATE,
    Kind.DOWNLOAD: UnitKind.TEMPORARY,
    Kind.SNAPSHOT: UnitKind.SNAPSHOT,
}
_IN_THE_JOURNAL = {Kind.LOG: "log", Kind.RUNNING: "container", Kind.VOLUME: "volume"}


@dataclass(frozen=True)
class Shown:
    """One host under the program: the books once, then what is said with and without a target."""

    host: Host

    @cached_property
    def holders(self) -> Mapping[str, Holder]:
        """What may be named of it, by name."""
        return {holder.name: holder for holder in holders(self.host)}

    @cached_property
    def snapshot(self) -> Snapshot:
        return snapshot(self.host)

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        return close_books(self.snapshot)

    @cached_property
    def report(self) -> Report:
        """As it stands."""
        return self._said(None)

    @cached_property
    def planned(self) -> Report:
        """With the way to the host's target."""
        return self._said(float(self.host.target_percent))

    def _said(self, until_percent: float | None) -> Report:
        memory = remembered(self.host)
        judged = judge(self.snapshot, self.accounts, memory, Ruling(DEFAULTS, {}, until_percent))
        return report(self.snapshot, judged, memory.trend, DEFAULTS)


def remembered(host: Host) -> Memory:
    """The journal's part: which things grow."""
    memory = blank("")
    grown = tuple(_growth(thing) for thing in host.things if thing.grows_bytes_per_day)
    return Memory(replace(memory.trend, growth=grown), None) if grown else memory


def _growth(thing: Thing) -> Growth:
    key = f"{_IN_THE_JOURNAL[thing.kind]}:{thing.used_by if thing.kind is Kind.LOG else thing.name}"
    a_day = thing.grows_bytes_per_day
    return Growth(key, a_day, a_day * 9 // 10, a_day * 11 // 10, 60, 5 * 86400.0, a_day)


def _ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def _exact(count: int) -> Exact[int]:
    return Exact(count, HERE)


def snapshot(host: Host) -> Snapshot:
    """Everything that was read of it, at one time."""
    units = tuple(_units(host))
    proofs = tuple(
        OrphanProof(unit.id, Orphanhood.ORPHAN, ("layer database", "build cache", "mounts"), (), 1e6, "")
        for unit in units
        if unit.kind is UnitKind.ORPHAN_CANDIDATE
    )
    store = Store(
        root="/docker",
        driver="overlay2",
        driver_facts=next(one.facts for one in DRIVERS if one.name == "overlay2"),
        images=Exact((), HERE),
        layers=Exact((), HERE),
        container_layers=Exact((), HERE),
        build_snapshots=Exact((), HERE),
        logs=Exact(tuple(_logs(host)), HERE),
        units=Exact(units, HERE),
        orphans=Exact(proofs, HERE),
    )
    engine = _engine(host)
    bounded = DaemonConfig("/etc/docker/daemon.json", True, True)
    study = _study(host, units)
    return Snapshot("made-up", NOW, NOW, Exact("/docker", HERE), engine, Exact(store, HERE), Exact(bounded, HERE),
                    (study,), (), False)  # fmt: skip


def _units(host: Host) -> Iterator[Unit]:
    for thing in host.things:
        if thing.kind in _UNITS and thing.owner is not None:
            yield Unit(UnitId(_path(thing)), _UNITS[thing.kind], _path(thing), _folder(thing),
                       frozenset({thing.owner}), True, _ago(thing.idle_h))  # fmt: skip


def _folder(thing: Thing) -> str:
    """What the driver or the engine calls the directory."""
    if thing.kind in (Kind.IMAGE, Kind.DANGLING, Kind.CACHE, Kind.RUNNING, Kind.STOPPED):
        return hex64(f"directory of {thing.key}")
    return thing.key.rpartition("/")[2]


def _path(thing: Thing) -> str:
    if thing.kind is Kind.LOG:
        return f"/docker/containers/{thing.key}/{thing.key}-json.log"
    if thing.kind is Kind.VOLUME:
        return f"/docker/volumes/{thing.name}/_data"
    if thing.kind in (Kind.ORPHAN, Kind.DOWNLOAD, Kind.SNAPSHOT):
        return thing.key
    return f"/docker/overlay2/{_folder(thing)}"


def _logs(host: Host) -> Iterator[ContainerLog]:
    for thing in host.things:
        if thing.kind is Kind.LOG:
            size = thing.read_bytes
            yield ContainerLog(ContainerId(thing.key), "json-file", (_path(thing),), size, size, False)


def _engine(host: Host) -> EngineView:
    engine = Engine("id", "made-up", Flavour.DOCKER, "28.5.1", "1.51", "overlay2", (), ImageStore.GRAPH_DRIVER,
                    "/docker", "json-file", ())  # fmt: skip
    images = [_image(host, thing) for thing in host.things if thing.kind in (Kind.IMAGE, Kind.DANGLING)]
    return a_view(
        NOT_READ,
        engine=engine,
        images=tuple(images),
        containers=tuple(_container(host, t) for t in host.things if t.kind in (Kind.RUNNING, Kind.STOPPED)),
        volumes=tuple(_volume(thing) for thing in host.things if thing.kind is Kind.VOLUME),
        build_cache=tuple(_record(host, thing) for thing in host.things if thing.kind is Kind.CACHE),
        layers_size=0,
    )


def _labels(thing: Thing) -> dict[str, str]:
    return {"ullage.keep": "true"} if thing.kept else {}


def _sharing(host: Host, thing: Thing) -> int:
    return sum(one.bytes for one in host.shared if thing.name in one.names)


def _image(host: Host, thing: Thing) -> Image:
    shared = _sharing(host, thing)
    return Image(
        id=ImageId(thing.key),
        tags=(thing.name,) if thing.kind is Kind.IMAGE else (),
        digests=(),
        size=_exact(thing.own_bytes + shared),
        shared=_exact(shared),
        containers=_exact(int(bool(thing.used_by))),
        created_at=Exact(_ago(thing.idle_h), HERE),
        labels=_labels(thing),
        diff_ids=NOT_READ,
    )


def _container(host: Host, thing: Thing) -> Container:
    running = thing.kind is Kind.RUNNING
    image = next((t for t in host.things if t.kind is Kind.IMAGE and thing.name in (t.used_by, t.needs)), None)
    volumes = [t.name for t in host.things if t.kind is Kind.VOLUME and t.used_by == thing.name]
    return Container(
        id=ContainerId(thing.key),
        name=thing.name,
        image_id=ImageId(image.key) if image else _BASE,
        image=image.name if image else _BASE,
        state="running" if running else "exited",
        created_at=Exact(_ago(24.0 * 100), HERE),
        finished_at=NOT_READ if running else Exact(_ago(thing.idle_h), HERE),
        writable=_exact(thing.own_bytes),
        rootfs=NOT_READ,
        labels=_labels(thing),
        command="serve",
        pid=NOT_READ,
        log_driver=Exact("json-file", HERE),
        log_path=NOT_READ,
        log_options={},
        attachments=tuple(Attachment("volume", "", "/data", name, True) for name in volumes),
        layer_path=NOT_READ,
    )


def _volume(thing: Thing) -> Volume:
    made, users = Exact(_ago(thing.idle_h), HERE), _exact(int(bool(thing.used_by)))
    return Volume(thing.name, "local", _path(thing), _labels(thing), {}, made, False, _exact(thing.own_bytes), users)


def _record(host: Host, thing: Thing) -> BuildRecord:
    moment = Exact(_ago(thing.idle_h), HERE)
    images = {t.name for t in host.things if t.kind in (Kind.IMAGE, Kind.DANGLING)}
    parents = [t.key for t in host.things if t.kind is Kind.CACHE and t.needs == thing.name]
    beside = any(thing.name in one.names and one.names & images for one in host.shared)
    size = _exact(thing.own_bytes + _sharing(host, thing))
    return BuildRecord(thing.key, "regular", thing.name, bool(thing.used_by), beside, size,
                       moment, moment, _exact(1), tuple(parents))  # fmt: skip


def _study(host: Host, units: tuple[Unit, ...]) -> FilesystemStudy:
    free = host.total_bytes - host.used_bytes
    left = host.inodes - host.used_inodes if host.inodes else 0
    space = FsSpace(1, 4096, host.total_bytes, free, free, host.inodes, left, left, False)
    mount = Mount(31, 1, DEVICE, "/", "/", ("rw",), host.fstype, "/dev/vda", ("rw",))
    facts = None
    if host.fstype == "btrfs":
        facts = Exact(btrfs(data=[(host.used_bytes, host.used_bytes)], metadata=(1024 * MIB, 100 * MIB),
                            unallocated=free), HERE)  # fmt: skip
    return FilesystemStudy(
        Filesystem(mount, Exact(space, HERE)),
        units,
        Exact(_occupancy(host), HERE),
        facts,
        _exact(host.own_bytes),
        Exact(OpenFiles(tuple(_open(host)), ()), HERE),
        (),
        Exact(host.fstype == "btrfs", HERE),
        False,
        _exact(0),
    )


def _open(host: Host) -> Iterator[OpenDeleted]:
    for number, thing in enumerate(host.things):
        if thing.kind is Kind.OPEN:
            size = thing.own_bytes
            yield OpenDeleted(DEVICE, 90_000 + number, size, size, thing.key, 4000 + number, thing.name, "", 4711)


def _occupancy(host: Host) -> Occupancy:
    measured = [thing for thing in host.things if thing.kind in _UNITS]
    folders = [thing for thing in host.things if thing.kind is Kind.DIRECTORY]
    usages = {UnitId(_path(thing)): _usage(host, thing) for thing in measured}
    outside = sum(thing.own_bytes for thing in folders)
    inodes = sum(thing.inodes for thing in folders)
    usages[HOST_UNIT] = Usage(_exact(outside), _exact(outside), _exact(inodes), NOT_READ, ())
    counted = bool(host.inodes)
    shares = [_share((UnitId(_path(thing)),), thing.read_bytes, _met(thing) if counted else None) for thing in measured]
    shares += [
        _share((UnitId(_path(host.by_name[name])) for name in one.names), one.bytes, 0 if counted else None)
        for one in host.shared
    ]
    shares.append(_share((HOST_UNIT,), outside, inodes if counted else None))
    others = tuple(
        PathUsage(thing.key, True, thing.own_bytes, thing.own_bytes, thing.inodes, "")
        for thing in sorted(folders, key=lambda one: -one.own_bytes)
    )
    held = tuple(share for share in shares if share.bytes or share.inodes)
    read = sum(_met(thing) for thing in host.things)
    return Occupancy("walk", usages, held, others, (CUT,) if host.cut else (), 0, 0.0, read)


def _share(holders: Iterable[UnitId], count: int, inodes: int | None) -> Share:
    return Share(frozenset(holders), count, 0, inodes)


def _met(thing: Thing) -> int:
    """Of its inodes, those that a walk came to."""
    return int(thing.inodes * thing.read_share)


def _usage(host: Host, thing: Thing) -> Usage:
    held = thing.read_bytes + _sharing(host, thing)
    size: Size = _exact(held) if thing.read_share == 1 else AtLeast(held, (CUT,), HERE)
    half = thing.read_bytes // 2
    inside = (PathUsage(f"{_path(thing)}/store/0.dat", False, half, half, 1, ""),) if half > GIB else ()
    return Usage(size, size, _exact(thing.inodes) if thing.read_share == 1 else CUT, NOT_READ, inside)
