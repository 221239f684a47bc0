"""A storage driver that is not there: layers in plain directories, and a catalogue that names the image of each."""

from __future__ import annotations

import re
from pathlib import Path

from collectors.drivers.base import Candidate, LayerRemover, Layout, Parts, StorageDriver
from collectors.drivers.files import Rows, read_json
from collectors.drivers.graph import opened_s
from collectors.drivers.listing import Asker, Known, born_s, derived
from collectors.model import ImageId, Owner, OwnerKind
from collectors.model.store import ContainerLog, DriverFacts, StoredImage, UnitKind


class Toy(StorageDriver):
    """`<root>/toy/layers/<name>`, and `<root>/toy/catalogue.json`: name → image id."""

    name = folder = "toy"
    layer_name = re.compile(r"layer-[a-z]+")
    facts = DriverFacts(remove_command=("toyctl", "forget"), clears_unfinished=True, contents="")

    def detect(self, root: Path, containerd_root: Path | None, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
        base = root / "toy"
        if not (base / "catalogue.json").exists():
            return ()
        return (Candidate(self, self.name, base, base / "layers", (base,), opened_s(base, "catalogue.json")),)

    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        catalogue = layout.database / "catalogue.json"
        found = ask.witness("catalogue", catalogue, lambda: dict(read_json(catalogue)))
        nothing = derived(found, lambda _: ())
        return Parts(
            images=derived(found, lambda rows: tuple(StoredImage(ImageId(one), (), ()) for one in set(rows.values()))),
            layers=nothing,
            container_layers=nothing,
            build_snapshots=nothing,
            known=derived(
                found,
                lambda rows: {
                    name: Known(UnitKind.IMAGE_LAYER, frozenset({Owner(OwnerKind.IMAGE, image)}), immutable=True)
                    for name, image in rows.items()
                },
            ),
            names=frozenset(),
            writes=(),
            born_s=born_s(catalogue),
            units=(),
        )

    def remove_layer(self, path: Path, remover: LayerRemover) -> None:
        """Out of the catalogue's folder first."""
        path.rename(path.with_name("going"))
        remover.remove_whole(path.with_name("going"))

    def log_paths(self, container: Path) -> tuple[str, ...]:
        return ()

    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        return Rows((), ())


TOY = Toy()
