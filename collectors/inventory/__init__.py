"""All sources side by side under one deadline → one frozen Snapshot. Joins by id and path; judges nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors import drivers
from collectors import engine as engine_source
from collectors.drivers.inner import EngineProcess, containerd_address, engines_by_name, inner_units
from collectors.drivers.leftovers import WATCHED
from collectors.drivers.other_stores import Around, with_others
from collectors.engine import Part
from collectors.engine.locality import daemon_config
from collectors.filesystems.base import KEEP_S
from collectors.inventory import filesystem, roots
from collectors.inventory.filesystem import OnPart, Request, StudyContext, study
from collectors.inventory.roots import from_container, remote_study
from collectors.model.engine import Engine, all_unread
from collectors.model.filesystem import Filesystem, Mount
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why, listed
from collectors.model.snapshot import FilesystemStudy, Snapshot, SourceReport
from collectors.model.store import Store
from collectors.system import deadline
from collectors.system.deadline import Clock, reads_every_file
from collectors.system.mount_table import Places
from collectors.system.mount_table import space as statvfs
from collectors.system.mountinfo import mounts as mount_table
from collectors.system.unlinked_files import ProcessSearch

__all__ = ["Request", "assemble"]

# How long the first questions to the engine may hold up the disk, as a share of the whole deadline.
_ENGINE_SHARE = 0.4
# How long naming what lies inside others may take; without it the bytes are there, under the name of the outer one.
_INNER_SHARE = 0.2
# What comes after the last answer (joining, judging, printing) needs a moment of the deadline too.
_KEEP_S = 0.5


def assemble(request: Request, on_part: OnPart | None = None) -> Snapshot:
    """Read everything. Never raises; what could not be read says why in its place."""
    return _Assembly(request, on_part).run()


def _with_fill(one: FilesystemStudy, early: Filesystem) -> FilesystemStudy:
    """The study; where it came too late to ask how full the filesystem is, with the answer from the beginning."""
    if isinstance(one.filesystem.space, Exact) or one.filesystem.mount != early.mount:
        return one
    return replace(one, filesystem=early)


class _Assembly:
    """A snapshot in the making: what is known so far, and the order in which things become known."""

    def __init__(self, request: Request, on_part: OnPart | None) -> None:
        self.request, self.on_part = request, on_part
        self.clock = Clock(request.deadline_s)
        self.deadline_s = request.deadline_s
        self.lock = threading.Lock()
        self.root: Reading[str] | None = None
        self.root_lock = threading.Lock()
        self.engine_known, self.paths_known = threading.Event(), threading.Event()
        self.paths_told_by = {Part.CONTAINERS, Part.VOLUMES}  # of these lists, those still to come
        now = datetime.now(UTC)
        pending = Unavailable(Why.NOT_ASKED, "still being read", Origin("assemble", "not yet", now, 0.0))
        view = all_unread(pending)
        self.snapshot = Snapshot(request.host.name, now, now, pending, view, pending, pending, (), (), False)
        self.waiting: tuple[str, ...] = ("engine", "docker root", "filesystem")
        self.named: tuple[tuple[int, str], ...] = ()  # processes that may be engines
        self.engines: tuple[EngineProcess, ...] = ()  # those that are
        self.processes = ProcessSearch(request.host, WATCHED, self.clock, KEEP_S)
        self.early = False  # is the study in the snapshot only the fill, until the first whole one?

    def run(self) -> Snapshot:
        engine = threading.Thread(target=self._engine, name="engine", daemon=True)
        engine.start()
        if not self.request.endpoint.remote:
            self.processes.begin()
        mounts = mount_table(self.request.host, timeout_s=self.clock.left(at_most=5.0))
        if isinstance(mounts, Exact) and (path := roots.without_asking(self.request, self.clock)) is not None:
            self._early(Places(mounts.value).home_of(path))
        self.named = engines_by_name(self.request.host)  # while the engine is waited for
        self.engine_known.wait(self.clock.left(at_most=self.deadline_s * _ENGINE_SHARE))
        view = self.snapshot.engine
        root = self._root(view.engine, view.local)
        self._update(docker_root=root)
        if isinstance(mounts, Exact):
            self._daemon_config(root)
            self._guarded_disk(root, mounts.value)
        else:
            self._report(filesystem.line("mount table", mounts))
        engine.join(self.clock.left() + 0.2)
        return self._finish()

    def _engine(self) -> None:
        view = engine_source.view(
            self.request.endpoint,
            self.request.host,
            deadline_s=self.clock.left(keep=_KEEP_S),
            on_part=self._engine_part,
            volume_sizes=self._engine_measures,
        )
        self._update(engine=view)
        self.engine_known.set()
        self.paths_known.set()

    def _engine_measures(self, engine: Reading[Engine], local: Reading[bool]) -> bool:
        """Whether the engine shall walk through all volumes to measure them: where we cannot do that ourselves."""
        if not reads_every_file(self.request.host.proc):
            return True
        return isinstance(self._root(engine, local), Unavailable)

    def _root(self, engine: Reading[Engine], local: Reading[bool]) -> Reading[str]:
        """Looked for once, by whoever needs it first: the question costs a process."""
        with self.root_lock:
            if self.root is None:
                self.root = roots.docker_root(self.request, engine, local, self.clock)
            return self.root

    def _engine_part(self, part: Part, reading: Reading[Any] | Size) -> None:
        changed: dict[str, Any] = {part.value: reading}
        with self.lock:
            self.snapshot = replace(self.snapshot, engine=replace(self.snapshot.engine, **changed))
        if part is Part.LOCAL or (part is Part.ENGINE and isinstance(reading, Unavailable)):
            self.engine_known.set()
        self.paths_told_by.discard(part)
        if not self.paths_told_by:
            self.paths_known.set()
        self._tell()

    def _daemon_config(self, root: Reading[str]) -> None:
        its, left_s = self.request, self.clock.left(at_most=2.0)
        found = root if isinstance(root, Unavailable) else daemon_config(its.host, its.endpoint, timeout_s=left_s)
        self._update(daemon_config=found)
        self._report(filesystem.line("daemon.json", found))

    def _guarded_disk(self, root: Reading[str], mounts: tuple[Mount, ...]) -> None:
        """A defect in one join must not blank the page: it is said, and the exit status is 3."""
        try:
            self._disk(root, mounts)
        except Exception as error:  # noqa: BLE001
            origin = Origin("assemble", "filesystems", datetime.now(UTC), 0.0)
            self._report(filesystem.line("filesystems", Unavailable(Why.DEFECT, repr(error), origin)))

    def _disk(self, root: Reading[str], mounts: tuple[Mount, ...]) -> None:
        places = Places(mounts)
        if isinstance(root, Unavailable):
            self._update(store=root)
            self._rootless(root, mounts, places)
            return
        home = places.home_of(root.value)
        (fill := threading.Thread(target=self._early, args=(home,), name="fill", daemon=True)).start()
        store = self._store(root.value, places)
        self.paths_known.wait(self.clock.left(at_most=self.deadline_s * _ENGINE_SHARE / 2))
        containers, mounted = listed(self.snapshot.engine.containers), self._volumes()
        studied = roots.filesystems(root.value, store, mounted.values(), places)
        if isinstance(store, Exact):
            store = Exact(self._with_others(store.value, root.value, studied, places), store.origin)
            self._update(store=store)
        fill.join()  # it has a deadline of its own
        context = StudyContext(
            self.request, self.clock, places, root.value, store, containers, mounted, self.processes, home
        )
        for one in studied:
            self._add(*study(context, one))

    def _rootless(self, root: Unavailable, mounts: tuple[Mount, ...], places: Places) -> None:
        """No Docker root that this process can open: say what can be said of the disk it would be on."""
        view, request = self.snapshot.engine, self.request
        here = roots.elsewhere(request, view.engine, view.local) is None
        found = from_container(request, mounts, view, self.clock) if here else None
        likely = roots.likely_home(request, view.engine, places) if here and found is None else None
        if likely is not None:
            path, mount = likely
            self._update(assumed=True)
            self._early(mount)
            self._report(filesystem.line("docker root", root))
            context = StudyContext(request, self.clock, places, path, root, (), {}, self.processes, mount)
            found = study(context, mount)
        self._add(*(found or remote_study(root)))

    def _store(self, root: str, places: Places) -> Reading[Store]:
        engine, bound = self.snapshot.engine.engine, self.request.bound
        host = self.request.host
        self.engines = roots.running_engines(self.request, self.named, self.clock)
        store = drivers.store(
            Path(root),
            host,
            driver_hint=engine.value.driver if isinstance(engine, Exact) else bound.driver if bound else None,
            containerd_root=roots.containerd_root(self.request, self.clock, engine, self.engines),
            grace_s=self.request.grace_s,
            freshly_bound=bound is not None,
            deadline_s=self.clock.left(at_most=self.deadline_s / 2),
        )
        gaps: tuple[Unavailable, ...] = ()
        if isinstance(store, Exact):
            inner = self._with_inner(store.value, root, places)
            address = containerd_address(root, host, self.engines)
            store = Exact(replace(inner, address=address), store.origin)
            its = store.value
            parts = (its.images, its.layers, its.container_layers, its.build_snapshots, its.logs, its.units)
            gaps = filesystem.missing(*parts)
            self._report(filesystem.line("orphans", its.orphans))
        self._report(filesystem.line("docker root", store, gaps))
        self._update(store=store)
        return store

    def _with_inner(self, store: Store, root: str, places: Places) -> Store:
        """The store with the units that lie inside others; without them where they could not be listed in time."""
        if isinstance(store.units, Unavailable):
            return store
        units, mount = store.units, places.mount_of(root)
        oldest_s = time.time() - self.request.grace_s
        found = deadline.read(
            "docker_root.inner",
            "inside units",
            lambda: inner_units(units.value, lambda path: mount is None or places.on(path, mount), oldest_s),
            timeout_s=self.clock.left(at_most=self.deadline_s * _INNER_SHARE),
        )
        if isinstance(found, Unavailable):
            self._report(filesystem.line("core dumps, nested roots", found))
            return store
        return replace(store, units=Exact((*units.value, *found.value), units.origin))

    def _with_others(self, store: Store, root: str, studied: list[Mount], places: Places) -> Store:
        """The store with what other engines keep on the same filesystems, as far as it could be read in time."""
        devices = frozenset(mount.device for mount in studied)

        def here(path: str) -> bool:
            return (mount := places.mount_of(path)) is not None and mount.device in devices

        around = Around(root, self.request.host, here, self.clock, self.engines)
        with_them, why_not = with_others(store, around, time.time() - self.request.grace_s)
        if why_not is not None:
            self._report(filesystem.line("other engines' stores", why_not))
        return with_them

    def _volumes(self) -> Mapping[str, str]:
        """By name the volumes that are a directory or disk of the host, and which."""
        found = listed(self.snapshot.engine.volumes)
        places = ((volume.name, roots.mounted_by(volume, self.request.host, self.clock)) for volume in found)
        return {name: path for name, path in places if path is not None}

    def _early(self, mount: Mount | None) -> None:
        """The filesystem's fill at once, before anybody knows who holds it."""
        if mount is None or (self.early and self.snapshot.studies[0].filesystem.mount == mount):
            return
        space = statvfs(Path(mount.mountpoint), timeout_s=self.clock.left(at_most=5.0))
        pending = Unavailable(Why.NOT_ASKED, "still being read", space.origin)
        self.early = True
        self._update(
            studies=(
                FilesystemStudy(
                    Filesystem(mount, space), (), pending, None, pending, pending, (), pending, False, pending
                ),
            )
        )

    def _add(self, one: FilesystemStudy, reports: tuple[SourceReport, ...]) -> None:
        before = () if self.early else self.snapshot.studies
        if self.early:
            one = _with_fill(one, self.snapshot.studies[0].filesystem)
        self.early = False
        self._update(studies=(*before, one), reports=(*self.snapshot.reports, *reports))

    def _report(self, line: SourceReport) -> None:
        self._update(reports=(*self.snapshot.reports, line))

    def _update(self, **parts: object) -> None:
        with self.lock:
            self.snapshot = replace(self.snapshot, ended_at=datetime.now(UTC), **parts)  # type: ignore[arg-type]
        self._tell()

    def _tell(self) -> None:
        if self.on_part is not None:
            self.on_part(self.snapshot, self.waiting)

    def _finish(self) -> Snapshot:
        view = roots.as_it_applies(self.snapshot)
        self._update(engine=view)
        lines = [
            filesystem.line("engine", view.engine),
            filesystem.line("engine: same machine", view.local),
            filesystem.line("engine: images", view.images),
            filesystem.line("engine: containers", view.containers),
            filesystem.line("engine: volumes", view.volumes),
            filesystem.line("engine: build cache", view.build_cache),
        ]
        with self.lock:
            self.snapshot = replace(self.snapshot, ended_at=datetime.now(UTC), reports=(*lines, *self.snapshot.reports))
        return self.snapshot
