"""Small factories: a snapshot of an everyday engine, in as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from collectors.causes.plan_context import PlanContext
from collectors.drivers import DRIVERS
from collectors.drivers.containerd_store import CONTAINERD
from collectors.model import ContainerId, ImageId, Owner, UnitId
from collectors.model.btrfs import Btrfs, Chunk, Device, QuotaMode, Quotas, Room, Shared, Sharing, Space, StatfsRule
from collectors.model.engine import Attachment, BuildRecord, Container, Engine, Flavour, Image, ImageStore, Volume
from collectors.model.filesystem import Filesystem, OpenDeleted, OpenFiles
from collectors.model.ledger import Books, Category, Ledger, Release
from collectors.model.plan import Finding, Plan, Severity, Step
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.settings import Rules
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import ContainerLog, Orphanhood, OrphanProof, Store, StoredImage, Unit, UnitKind
from collectors.planning import build_plan
from collectors.planning.what_if import WhatIf, what_if
from tests.owners import owner
from tests.world import a_filesystem, a_view

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = Origin("test", "made up", NOW, 0.0)
MIB = 1 << 20
GIB = 1 << 30
UNREAD = Unavailable(Why.NOT_PERMITTED, "not root", HERE)
NOTHING: Reading[None] = Exact(None, HERE)


def ago(*, hours: float = 0.0, days: float = 0.0) -> datetime:
    return NOW - timedelta(hours=hours, days=days)


def exact(count: int) -> Exact[int]:
    return Exact(count, HERE)


def image(
    name: str,
    *tags: str,
    labels: Mapping[str, str] | None = None,
    digests: tuple[str, ...] = (),
    built: datetime | None = None,
    size: int = 100 * MIB,
) -> Image:
    return Image(
        id=ImageId(f"sha256:{name}"),
        tags=tags,
        digests=digests,
        size=exact(size),
        shared=exact(0),
        containers=UNREAD,
        created_at=Exact(built or ago(days=60), HERE),
        labels=labels or {},
        diff_ids=UNREAD,
    )


def container(
    name: str,
    image_id: str,
    *,
    made_from: str = "",
    state: str = "running",
    ended: datetime | None = None,
    writable: int = MIB,
    labels: Mapping[str, str] | None = None,
    volumes: tuple[str, ...] = (),
) -> Container:
    return Container(
        id=ContainerId(name),
        name=name,
        image_id=ImageId(f"sha256:{image_id}"),
        image=made_from or f"sha256:{image_id}",
        state=state,
        created_at=Exact(ago(days=90), HERE),
        finished_at=Exact(ended, HERE) if ended else UNREAD,
        writable=exact(writable),
        rootfs=UNREAD,
        labels=labels or {},
        command="sleep",
        pid=UNREAD,
        log_driver=Exact("json-file", HERE),
        log_path=UNREAD,
        log_options={},
        attachments=tuple(Attachment("volume", "", "/data", volume, True) for volume in volumes),
        layer_path=UNREAD,
    )


def record(
    name: str,
    *,
    kind: str = "regular",
    parents: tuple[str, ...] = (),
    used: datetime | None = None,
    in_use: bool = False,
    shared: bool = False,
    size: int = 10 * MIB,
) -> BuildRecord:
    moment = Exact(used or ago(days=30), HERE)
    return BuildRecord(name, kind, f"step {name}", in_use, shared, exact(size), moment, moment, Exact(1, HERE), parents)


def volume(
    name: str, *, anonymous: bool = False, labels: Mapping[str, str] | None = None, references: int = 0
) -> Volume:
    return Volume(
        name, "local", f"/v/{name}", labels or {}, {}, Exact(ago(days=9), HERE), anonymous, exact(MIB),
        Exact(references, HERE),
    )  # fmt: skip


def unit(path: str, kind: UnitKind, *owners: str, born: datetime | None = None, name: str = "") -> Unit:
    made = frozenset(owner(who) for who in owners)
    return Unit(UnitId(path), kind, path, name or path.rpartition("/")[2], made, True, born)


def log(container_id: str, count: int, *, driver: str = "json-file", rotates: bool = False) -> ContainerLog:
    path = f"/docker/containers/{container_id}/{container_id}-json.log"
    return ContainerLog(ContainerId(container_id), driver, (path, f"{path}.1"), count, count, rotates)


def proof(path: str, verdict: Orphanhood = Orphanhood.ORPHAN) -> OrphanProof:
    return OrphanProof(UnitId(path), verdict, ("layerdb",), (), 1e6, "")


def finding(
    rule: str, *owners: str, certain: bool = True, count: int | None = None, evidence: tuple[str, ...] = ()
) -> Finding:
    """`count`: bytes that it names; `evidence`: names of what shows it."""
    named = exact(count) if count is not None else None
    shown = tuple((name, exact(0)) for name in evidence)
    return Finding(rule, Severity.P2, rule, named, shown, f"{rule}!", tuple(owner(who) for who in owners), certain)


def held_open(
    pid: int, count: int, *, inode: int = 0, container: str = "", command: str = "logger", started: int | None = 4711
) -> OpenDeleted:
    return OpenDeleted("254:0", inode, count, count, "/var/log/gone", pid, command, container, started)


def release(count: int, *owners: str) -> Release:
    return Release(frozenset(owner(who) for who in owners), count, 0, None)


def btrfs(
    *,
    data: Iterable[tuple[int, int]],
    metadata: tuple[int, int],
    reserve: int = 0,
    unallocated: int = MIB,
    rows: Iterable[tuple[int, tuple[str, ...]]] = (),
    bookends: int = 0,
    copies: int = 2,
) -> Btrfs:
    """`data`: (size, used) of each chunk; `metadata`: (size, used) in all; `rows`: metadata bytes and their units."""
    chunks = tuple(Chunk("data", "single", index << 40, size, used) for index, (size, used) in enumerate(data))
    total, used = metadata
    spaces = (
        Space("data", "single", sum(c.logical_bytes for c in chunks), sum(c.used_bytes for c in chunks), 1, 1),
        Space("metadata", "DUP", total, used, copies, 1),
        Space("global reserve", "single", reserve, 0, 1, 1),
    )
    shared = tuple(Shared(frozenset(UnitId(u) for u in units), 0, count, 0, count * copies) for count, units in rows)
    device_bytes = spaces[0].logical_total_bytes + copies * total + unallocated
    # One device, whose first MiB is never allocated.
    room, chunk = max(0, unallocated - MIB), min(GIB // 4, device_bytes // 10)
    rooms = (
        Room("data", "single", 1, exact(room), min(10 * GIB, device_bytes // 10)),
        Room("metadata", "DUP", copies, exact(room // copies), chunk),
    )
    sharing = Sharing(
        generation=1, method="device trees", fallback="", rows=shared, holdings=(), tree_metadata_bytes=used,
        residual_data_bytes=0, residual_metadata_bytes=0, drift_data_bytes=0, drift_metadata_bytes=0,
        bookend_bytes=bookends, compressed_bytes=0, uncompressed_bytes=0, unresolved=(), blocks_read=0, restarts=0,
        age_s=0.0,
    )  # fmt: skip
    return Btrfs(
        uuid="u",
        temporary_uuid=False,
        generation=Exact(1, HERE),
        node_bytes=16384,
        sector_bytes=4096,
        devices=Exact(
            (Device(1, "/dev/vdb", "d", device_bytes, device_bytes - unallocated, UNREAD, False, True),), HERE
        ),
        spaces=Exact(spaces, HERE),
        chunks=Exact(chunks, HERE),
        unallocated_bytes=exact(unallocated),
        rooms=Exact(rooms, HERE),
        statfs=Exact(StatfsRule(1, True), HERE),
        operation=Exact("none", HERE),
        subvolumes=Exact((), HERE),
        quotas=Exact(Quotas(QuotaMode.OFF, True, False, Exact((), HERE)), HERE),
        sharing=Exact(sharing, HERE),
    )


class Scene:
    """One machine under test: hand in lists, change what matters, ask for the plan."""

    def __init__(self, **parts: object) -> None:
        self.images: tuple[Image, ...] = ()
        self.containers: tuple[Container, ...] = ()
        self.volumes: tuple[Volume, ...] = ()
        self.build_cache: tuple[BuildRecord, ...] = ()
        self.units: tuple[Unit, ...] = ()
        self.logs: tuple[ContainerLog, ...] = ()
        self.proofs: tuple[OrphanProof, ...] = ()
        self.stored: tuple[StoredImage, ...] = ()
        self.releases: tuple[Release, ...] = ()
        self.unread: Reading[None] = NOTHING
        self.findings: tuple[Finding, ...] = ()
        self.last_used: dict[Owner, datetime] = {}
        self.rules = Rules()
        self.btrfs: Btrfs | None = None
        self.opened: tuple[OpenDeleted, ...] = ()
        self.driver = "overlay2"
        self.fstype = "ext4"
        self.flavour = Flavour.DOCKER
        self.address = ""
        self.local: Reading[bool] = Exact(True, HERE)
        self.containers_unread: Unavailable | None = None
        self.engine_unread: Unavailable | None = None
        self.used = 80 * GIB
        self.total = 100 * GIB
        self.inodes: tuple[int, int] | None = None  # in all, and used
        for name, value in parts.items():
            if not hasattr(self, name):
                raise TypeError(f"a scene has no {name}")
            setattr(self, name, value)

    def plan(self, until: float | None = None) -> Plan:
        return build_plan(
            self.snapshot(),
            self.ledger(),
            Books(self.releases, self.unread),
            self.findings,
            self.rules,
            self.last_used,
            NOW,
            until_percent=until,
        )

    def what_if(self) -> WhatIf:
        return what_if(self.context())

    def context(self) -> PlanContext:
        return PlanContext(
            self.snapshot(),
            self.ledger(),
            Books(self.releases, self.unread),
            self.findings,
            self.rules,
            self.last_used,
            NOW,
        )

    def filesystem(self) -> Filesystem:
        made = a_filesystem(self.total, self.used, HERE, mountpoint="/docker", fstype=self.fstype)
        if self.inodes is None or not isinstance(made.space, Exact):
            return made
        total, used = self.inodes
        space = replace(made.space.value, inodes=total, inodes_free=total - used, inodes_available=total - used)
        return replace(made, space=Exact(space, HERE))

    def ledger(self) -> Ledger:
        items: dict[Category, tuple[()]] = {category: () for category in Category}
        return Ledger(self.filesystem(), (), items, None, "")

    def snapshot(self) -> Snapshot:
        engine = Engine("id", "host", self.flavour, "28", "1.51", self.driver, (), ImageStore.GRAPH_DRIVER, "/docker",
                        "json-file", (), address=self.address)  # fmt: skip
        view = a_view(UNREAD, engine=engine, images=self.images, volumes=self.volumes, build_cache=self.build_cache,
                      layers_size=0)  # fmt: skip
        if self.engine_unread is not None:
            view = replace(view, engine=self.engine_unread)
        view = replace(view, local=self.local, containers=self.containers_unread or Exact(self.containers, HERE))
        store = Store(
            root="/docker",
            driver=self.driver,
            driver_facts=next((one.facts for one in DRIVERS if one.name == self.driver), CONTAINERD.facts),
            images=Exact(self.stored, HERE),
            layers=Exact((), HERE),
            container_layers=Exact((), HERE),
            build_snapshots=Exact((), HERE),
            logs=Exact(self.logs, HERE),
            units=Exact(self.units, HERE),
            orphans=Exact(self.proofs, HERE),
        )
        own: Exact[Btrfs] | None = Exact(self.btrfs, HERE) if self.btrfs else None
        study = FilesystemStudy(
            self.filesystem(),
            self.units,
            UNREAD,
            own,
            exact(0),
            Exact(OpenFiles(self.opened, ()), HERE),
            (),
            Exact(own is not None, HERE),
            own is not None,
            exact(0),
        )
        return Snapshot("host", NOW, NOW, Exact("/docker", HERE), view, Exact(store, HERE), UNREAD, (study,), (), False)


def step(made: Plan, step_id: str) -> Step:
    """The step with this id; a KeyError names those that there are."""
    found = {one.id: one for one in made.every_step}
    if step_id not in found:
        raise KeyError(f"{step_id} is not among {sorted(found)}; left out: {made.left_out}")
    return found[step_id]


def ids(made: Plan) -> list[str]:
    return [one.id for one in made.steps]


def persons(made: Plan) -> list[str]:
    """Ids of what is for a person."""
    return [one.id for one in made.for_person]


def targets(made: Plan) -> set[str]:
    return {target.text() for one in made.every_step for target in one.targets}


def with_rules(**values: object) -> Rules:
    return replace(Rules(), **values)  # type: ignore[arg-type]
