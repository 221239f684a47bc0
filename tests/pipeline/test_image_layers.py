"""The layers of an image: which instruction made each, what it brought, what of that is wasted, and who shares it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.engine.endpoint import endpoint
from collectors.model import CacheId, ChainId, DiffId, ImageId, Owner, OwnerKind, UnitId
from collectors.model.engine import HistoryStep
from collectors.model.reading import Exact, Unavailable, Why
from collectors.model.snapshot import Snapshot
from collectors.model.store import DriverFacts, Layer, Store, StoredImage, Unit, UnitKind
from collectors.pipeline import image_history
from collectors.pipeline.image_history import ImageLayers, LayerLook
from collectors.system.killable import Asking, check
from tests.ledger.build import HERE, occupancy, share, snapshot, study

APP, OTHER = ImageId("sha256:app"), ImageId("sha256:other")
MIB = 1 << 20


def wasted(*layers: Path) -> dict[int, tuple[int, int]]:
    """By place in the image: bytes and entries that later layers hide."""
    found: dict[int, tuple[int, int]] = {}
    with Asking("layers of a test", float("inf")) as asking:
        asking.start({"task": "stack", "layers": [os.fsencode(layer) for layer in layers]})
        for _, frame in asking.frames():
            check(frame)
            match frame:
                case ("wasted", int(place), int(count), int(entries)):
                    found[place] = count, entries
    return found


def allocated(*paths: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in paths)


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    """base: kept, changed, deleted, a folder of two, two names of one file. Above it one layer that changes nothing."""
    base, middle, top = (tmp_path / name for name in ("base", "middle", "top"))
    for folder in (base / "etc", base / "srv" / "old", middle, top / "etc"):
        folder.mkdir(parents=True)
    for name in ("etc/kept", "etc/changed", "etc/deleted", "srv/old/one", "srv/old/two", "srv/name"):
        (base / name).write_bytes(b"x" * 50_000)
    os.link(base / "srv" / "name", base / "srv" / "another")
    return [base, middle, top]


def test_nothing_is_wasted_where_nothing_is_changed(layers: list[Path]) -> None:
    assert wasted(*layers) == {0: (0, 0), 1: (0, 0), 2: (0, 0)}


def test_what_a_later_layer_overwrites_is_wasted_in_each_layer_below(layers: list[Path]) -> None:
    base, middle, top = layers
    for layer in (middle, top):
        (layer / "etc").mkdir(exist_ok=True)
        (layer / "etc" / "changed").write_bytes(b"y" * 9_000)
    found = wasted(*layers)
    assert found[0] == (allocated(base / "etc" / "changed"), 1)
    assert found[1] == (allocated(middle / "etc" / "changed"), 1)
    assert found[2] == (0, 0)


@pytest.mark.parametrize("mark", ["device", "name"])
def test_what_a_later_layer_deletes_is_wasted_a_folder_with_all_below_it(layers: list[Path], mark: str) -> None:
    base, _, top = layers
    (top / "srv").mkdir()
    for gone in ("etc/deleted", "srv/old"):
        if mark == "name":
            (top / gone).with_name(f".wh.{Path(gone).name}").touch()
        elif os.geteuid() == 0:
            os.mknod(top / gone, 0o020000, os.makedev(0, 0))
        else:
            pytest.skip("only root makes a whiteout")
    old = base / "srv" / "old"
    assert wasted(*layers)[0] == (allocated(base / "etc" / "deleted", old, old / "one", old / "two"), 4)


def test_a_folder_that_is_made_anew_hides_what_was_in_it(layers: list[Path]) -> None:
    base, _, top = layers
    (top / "srv" / "old").mkdir(parents=True)
    (top / "srv" / "old" / ".wh..wh..opq").touch()
    old = base / "srv" / "old"
    assert wasted(*layers)[0] == (allocated(old / "one", old / "two"), 2)


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_hide_it(layers: list[Path]) -> None:
    base, _, top = layers
    (top / "etc" / "changed").mkdir()
    (top / "srv").mkdir()
    (top / "srv" / "old").touch()
    old = base / "srv" / "old"
    assert wasted(*layers)[0] == (allocated(base / "etc" / "changed", old, old / "one", old / "two"), 4)


def test_a_file_of_two_names_is_wasted_once_both_are_hidden(layers: list[Path]) -> None:
    base, _, top = layers
    (top / "srv").mkdir()
    (top / "srv" / ".wh.name").touch()
    assert wasted(*layers)[0] == (0, 1)
    (top / "srv" / ".wh.another").touch()
    assert wasted(*layers)[0] == (allocated(base / "srv" / "name"), 2)


def test_a_layer_that_cannot_be_read_leaves_those_below_unknown(layers: list[Path]) -> None:
    base, middle, top = layers
    middle.rmdir()
    assert wasted(base, middle, top) == {2: (0, 0)}


# Beside the instructions, from what a scan saw.


def of_layer(path: str, *images: ImageId, builds: tuple[str, ...] = ()) -> Unit:
    owners = [Owner(OwnerKind.IMAGE, image) for image in images] + [Owner(OwnerKind.BUILD, one) for one in builds]
    return Unit(UnitId(path), UnitKind.IMAGE_LAYER, path, Path(path).name, frozenset(owners), False, None)


def seen(contents: str, *shares: tuple[int, tuple[Unit, ...]], units: tuple[Unit, ...]) -> Snapshot:
    """A store with one image of all `units`, base first, on one filesystem with these shares."""
    chain = tuple(ChainId(f"chain-{at}") for at in range(len(units)))
    store = Store(
        root="/docker",
        driver="toy",
        driver_facts=DriverFacts((), clears_unfinished=False, contents=contents),
        images=Exact((StoredImage(APP, ("app:1",), chain),), HERE),
        layers=Exact(
            tuple(
                Layer(one, None, DiffId(one), CacheId(layer.name), 1) for one, layer in zip(chain, units, strict=True)
            ),
            HERE,
        ),
        container_layers=Exact((), HERE),
        build_snapshots=Exact((), HERE),
        logs=Exact((), HERE),
        units=Exact(units, HERE),
        orphans=Exact((), HERE),
    )
    held = occupancy(tuple(share(count, *(one.id for one in holders)) for count, holders in shares))
    return replace(snapshot(study(units, Exact(held, HERE), used=1)), store=Exact(store, HERE))


def told(
    found: Snapshot, monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, int], reason: str = ""
) -> list[ImageLayers]:
    """Everything that one look told, the engine's history being `steps`."""

    class Engine:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> Engine:
            return self

        def __exit__(self, *_: object) -> None: ...
        def histories(self, images: list[ImageId]) -> dict[ImageId, object]:
            history = tuple(HistoryStep(text, Exact(count, HERE)) for text, count in steps)
            gone = Unavailable(Why.NOT_REACHABLE, reason, HERE)
            return dict.fromkeys(images, gone if reason else Exact(history, HERE))

    monkeypatch.setattr(image_history, "Past", Engine)
    every: list[ImageLayers] = []
    LayerLook(found, endpoint("unix:///none", {}, Path("/")), APP).run(every.append)
    return every


def test_each_layer_of_subvolumes_has_its_own_bytes_what_the_last_one_lacks_and_who_shares_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = of_layer("/docker/a", APP, OTHER, builds=("cache",))
    middle, top = of_layer("/docker/b", APP), of_layer("/docker/c", APP)
    found = seen(
        "",
        (50 * MIB, (base, middle, top)),
        (20 * MIB, (base, middle)),
        (7 * MIB, (middle,)),
        (3 * MIB, (middle, top)),
        (1 * MIB, (top,)),
        units=(base, middle, top),
    )
    steps = (("COPY . /srv # buildkit", 70 * MIB), ("ENV A=1", 0), ("RUN rm -r /srv", 10 * MIB), ("RUN touch x", MIB))
    last = told(found, monkeypatch, *steps)[-1]
    assert [layer.bytes for layer in last.layers] == [70 * MIB, 10 * MIB, MIB]
    assert [layer.wasted_bytes for layer in last.layers] == [20 * MIB, 7 * MIB, 0]
    assert [layer.step for layer in last.layers] == ["COPY . /srv", "RUN rm -r /srv", "RUN touch x"]
    assert [one.id for one in last.layers[0].sharers] == ["cache", OTHER]
    assert last.layers[1].sharers == ()
    assert (last.steps_reason, last.wasted_reason) == ("", "")


def test_a_history_that_is_missing_is_said_and_one_that_does_not_fit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one = of_layer("/docker/a", APP)
    found = seen("", (5, (one,)), units=(one,))
    missing = told(found, monkeypatch, reason="the engine is away")[-1]
    assert (missing.layers[0].step, missing.steps_reason) == ("", "the engine is away")
    misfit = told(found, monkeypatch, ("RUN a", 5), ("RUN b", 6))[-1]
    assert misfit.layers[0].step == ""
    assert "does not tell which made the 1 layers" in misfit.steps_reason


def test_of_layers_that_hold_changes_alone_the_directories_are_read(
    monkeypatch: pytest.MonkeyPatch, layers: list[Path], tmp_path: Path
) -> None:
    units = []
    for at, layer in enumerate(layers):
        (tmp_path / f"layer{at}").mkdir()
        layer.rename(tmp_path / f"layer{at}" / "diff")
        units.append(of_layer(str(tmp_path / f"layer{at}"), APP))
    (tmp_path / "layer2" / "diff" / "etc" / "changed").touch()
    found = seen("diff", *((5 * MIB, (one,)) for one in units), units=tuple(units))
    every = told(found, monkeypatch, ("COPY a", 1), ("RUN b", 0), ("RUN c", 1))
    assert every[0].layers[0].wasted_bytes is None, "not yet counted is not nothing"
    assert [layer.wasted_bytes for layer in every[-1].layers] == [
        allocated(tmp_path / "layer0" / "diff" / "etc" / "changed"),
        0,
        0,
    ]


def test_a_layer_that_was_not_measured_has_no_bytes_rather_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = of_layer("/docker/a", APP), of_layer("/docker/b", APP)
    found = seen("", (5, (one,)), units=(one, other))
    unmeasured = replace(found, studies=())
    last = told(unmeasured, monkeypatch, ("RUN a", 5), ("RUN b", 6))[-1]
    assert [(layer.bytes, layer.wasted_bytes) for layer in last.layers] == [(None, None)] * 2
