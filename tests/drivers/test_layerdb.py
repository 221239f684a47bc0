"""The layer database's words: a row that names no directory of the driver's is broken, not somebody's neighbour."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.drivers import layerdb
from collectors.system.deadline import Malformed
from tests.drivers.docker_root_trees import hex64, write


@pytest.mark.parametrize("word", ["", ".", "..", "../x", "a/b", "a\0b", "\xb2"])
def test_a_name_that_is_no_directory_is_refused(tmp_path: Path, word: str) -> None:
    row = tmp_path / "sha256" / hex64("layer")
    for name, content in {"cache-id": word, "size": "4096", "diff": f"sha256:{hex64('diff')}"}.items():
        write(row / name, content)
    mount = tmp_path / "mounts" / hex64("container")
    write(mount / "mount-id", word)
    assert layerdb.layers(tmp_path).good == ()
    assert len(layerdb.layers(tmp_path).broken) == 1
    assert layerdb.container_layers(tmp_path).good == ()


@pytest.mark.parametrize("word", [".", "..", "a\0b"])
def test_a_layer_that_is_being_written_names_a_directory_or_nothing(tmp_path: Path, word: str) -> None:
    write(tmp_path / "tmp" / "write-set-1" / "cache-id", word)
    with pytest.raises(Malformed):
        layerdb.writes(tmp_path)
