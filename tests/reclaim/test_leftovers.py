"""Temporary files and interrupted writes at the last moment: open, touched, changed, made anew, or as they were."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collectors.causes.engine_leftovers import remove as temporary
from collectors.drivers.inner import inner_units, without_opened
from collectors.drivers.leftovers import WATCHED
from collectors.model import UnitId
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.store import Unit, UnitKind
from collectors.reclaim import Act
from collectors.system.deadline import this_host
from tests.reclaim.fake_engine import FakeEngine
from tests.reclaim.test_engine import a_step, reasons, run
from tests.system.walking import mapped, search_open_files

HOUR_S = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Docker root's tmp with a download and a build context, both old."""
    made = tmp_path / "docker" / "tmp"
    (made / "docker-builder22" / "deep" / "er").mkdir(parents=True)
    (made / "docker-builder22" / "deep" / "er" / "file").write_bytes(b"context")
    (made / "docker-builder22" / "link").symlink_to("/etc/passwd")
    (made / "GetImageBlob11").write_bytes(b"layer")
    for path in sorted(made.rglob("*"), reverse=True):
        os.utime(path, (0, time.time() - 2 * HOUR_S), follow_symlinks=False)
    return made


def remove(path: Path, folder: Path, *, planned_s: float | None = None) -> Act:
    planned = time.time() + 1 if planned_s is None else planned_s
    return temporary.remove(path, (str(folder),), oldest_s=time.time() - HOUR_S, planned_s=planned)


@pytest.mark.parametrize("name", ["GetImageBlob11", "docker-builder22"])
def test_what_is_old_and_closed_goes_whole_and_a_link_is_not_followed(folder: Path, name: str) -> None:
    act = remove(folder / name, folder)
    assert act.removed, act
    assert not (folder / name).exists()
    assert len(list(folder.iterdir())) == 1
    assert Path("/etc/passwd").exists()
    assert remove(folder / name, folder).reason == "it is already gone"


def reading(path: Path) -> Callable[[], object]:
    file = path.open("rb")
    return file.close


def writing(path: Path) -> Callable[[], object]:
    file = path.open("r+b")
    return file.close


def mapping(path: Path) -> Callable[[], object]:
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    return mapped.close


@pytest.mark.parametrize("hold", [reading, writing, mapping])
@pytest.mark.parametrize("inner", ["GetImageBlob11", "docker-builder22/deep/er/file"])
def test_what_somebody_has_open_stays_until_it_is_closed(
    folder: Path, inner: str, hold: Callable[[Path], Callable[[], object]]
) -> None:
    target = folder / Path(inner).parts[0]
    let_go = hold(folder / inner)
    act = remove(target, folder)
    assert (act.removed, act.reason) == (False, "a process has it open")
    assert (folder / inner).exists()
    let_go()
    assert remove(target, folder).removed


def test_what_was_written_to_lately_stays(folder: Path) -> None:
    os.utime(folder / "docker-builder22/deep/er/file")
    assert remove(folder / "docker-builder22", folder).reason == "it was written to recently"


def test_what_changed_after_the_plan_or_was_made_anew_stays_whatever_date_it_bears(folder: Path) -> None:
    planned_s = time.time() + 0.05
    time.sleep(0.1)
    (folder / "GetImageBlob11").unlink()
    (folder / "GetImageBlob11").write_bytes(b"another one")
    os.utime(folder / "GetImageBlob11", (0, 0))
    act = remove(folder / "GetImageBlob11", folder, planned_s=planned_s)
    assert act.reason == "it was changed, or made anew, after the plan"
    assert remove(folder / "docker-builder22", folder, planned_s=planned_s).removed


@pytest.mark.parametrize("name", ["important", "GetImageBlob11x", "../volumes", ".", "GetImageBlob11/.."])
def test_a_name_that_is_not_the_engines_is_not_touched(folder: Path, name: str) -> None:
    (folder / "important").write_bytes(b"x")
    (folder / "GetImageBlob11x").write_bytes(b"x")
    (folder.parent / "volumes").mkdir()
    before = sorted(folder.parent.rglob("*"))
    assert not remove(folder / name, folder).removed
    assert sorted(folder.parent.rglob("*")) == before


def left_over(folder: Path, *, whole: bool = True) -> set[str]:
    """Names in the engine's tmp that are proposed for removal, by one search of all processes."""
    tmp = Unit(UnitId(str(folder)), UnitKind.TEMPORARY, str(folder), "tmp", frozenset(), False, None)
    search = search_open_files(this_host(), watched=WATCHED, deadline_s=20)
    assert isinstance(search, Exact)
    assert search.value.whole
    units = inner_units((tmp,), lambda _: True, time.time() - HOUR_S)
    known = without_opened(units, Exact(replace(search.value, whole=whole), search.origin))
    return {unit.name for unit in known if unit.owners}


def test_the_plan_sees_only_what_is_old_and_closed(folder: Path, tmp_path: Path) -> None:
    assert left_over(folder) == {"GetImageBlob11", "docker-builder22"}
    assert left_over(folder, whole=False) == set()
    with (folder / "docker-builder22/deep/er/file").open("rb"):
        assert left_over(folder) == {"GetImageBlob11"}
    with mapped(folder / "docker-builder22/deep/er/file"):
        assert left_over(folder) == {"GetImageBlob11"}
    inside = subprocess.Popen(["sleep", "60"], cwd=folder / "docker-builder22/deep")
    assert left_over(folder) == {"GetImageBlob11"}
    inside.kill()
    inside.wait()
    os.utime(folder / "GetImageBlob11")
    assert left_over(folder) == {"docker-builder22"}
    assert left_over(tmp_path / "none") == set()


def test_without_the_search_nothing_is_left_over(folder: Path) -> None:
    tmp = Unit(UnitId(str(folder)), UnitKind.TEMPORARY, str(folder), "tmp", frozenset(), False, None)
    units = inner_units((tmp,), lambda _: True, time.time() - HOUR_S)
    late = Unavailable(Why.TIMED_OUT, "4 s", Origin("open files", "made up", datetime.now(UTC), 4.0))
    assert len(units) >= 2
    assert not any(unit.owners for unit in without_opened(units, late))


def test_a_run_takes_temporary_files_beside_a_running_engine_if_the_plan_has_seen_them(
    folder: Path, tmp_path: Path
) -> None:
    names = ("GetImageBlob11", "docker-builder22")
    step = a_step("engine-tmp", "temporary.remove", *(f"leftover:{folder / name}" for name in names))
    too_early = run(FakeEngine(), tmp_path, step, planned_at=datetime.now(UTC) - timedelta(days=1))
    assert set(reasons(too_early).values()) == {"it was changed, or made anew, after the plan"}
    assert len(list(folder.iterdir())) == 2
    done = run(FakeEngine(), tmp_path, step, planned_at=datetime.now(UTC) + timedelta(seconds=1))
    assert done.steps[0].removed == step.targets
    assert not list(folder.iterdir())


def test_interrupted_writes_stay_while_an_engine_answers(tmp_path: Path) -> None:
    write = tmp_path / "docker/image/overlay2/layerdb/tmp/write-set-1"
    write.mkdir(parents=True)
    step = a_step("interrupted-writes", "interrupted.remove", f"leftover:{write}")
    outcome = run(FakeEngine(), tmp_path, step)
    assert "stop it" in reasons(outcome)[f"leftover:{write}"]
    assert write.is_dir()


def test_what_only_a_person_can_do_is_refused_at_every_tier_and_under_every_name(tmp_path: Path) -> None:
    step = a_step("holder:7", "holder.restart", "open:254:0:1", automatic=False)
    outcome = run(FakeEngine(), tmp_path, step, named=frozenset({"holder:7"}))
    assert outcome.steps == ()
    assert any("this tool does not do it" in note for note in outcome.notes)
