"""A few destructive applies under load; two hundred of each: `python -m tests.adversary.load`."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from tests.adversary.api import archive_of
from tests.adversary.load import AGES, applies, torn
from tests.lab import Lab
from tests.lab.require import require_machine

COUNT = 2
EVERY_S = 0.5  # the whole run has no pause; here other tests run beside, which the load is not to starve


@pytest.mark.machine
def test_what_lives_lives_on_and_what_has_a_name_saves() -> None:
    require_machine()
    with Lab.up(driver="overlay2", engine="20.10", mess="empty", size_mib=2048) as lab:
        seen = applies(lab, tuple(AGES), COUNT, EVERY_S)
    assert {ages: one.broken for ages, one in seen.items()} == {ages: [] for ages in AGES}
    assert seen["default"].broken_builds == []
    assert (seen["default"].removed + seen["default"].left)["orphan"] > 0
    assert seen["none"].removed["image"] > 0
    assert len(seen["default"].done + seen["none"].done) == 4, "a client did nothing"


def test_an_image_that_lacks_a_layer_or_has_another_is_torn() -> None:
    whole = archive_of(["a:1"], [b"one", b"two"], "x")
    assert torn(whole) == ""
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar}
        content = {name: file.read() for name, file in files.items() if file is not None}
    assert "1/layer.tar" in torn(_packed({name: body for name, body in content.items() if name != "1/layer.tar"}))
    assert "1/layer.tar" in torn(_packed({**content, "1/layer.tar": content["0/layer.tar"]}))
    few = json.loads(content["manifest.json"])
    few[0]["Layers"].pop()
    assert torn(_packed({**content, "manifest.json": json.dumps(few).encode()}))
    assert torn(b'{"message":"no such image"}')


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()
