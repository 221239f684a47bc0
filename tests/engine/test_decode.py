"""Engine answers → model: what is there, what is not, and that no sentinel comes through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.engine.decode import JsonObject, document, objects, usage
from collectors.engine.decode.objects import decode_engine, greeting
from collectors.engine.reply import Api, UsageKind, negotiate, parse
from collectors.model.engine import Flavour, ImageStore
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.system.deadline import Declined, Malformed
from tests.fakes.recordings import NAMES, body, recording

HERE = Origin("test", "GET /test", datetime(2026, 11, 23, tzinfo=UTC), 0.0)
GRAPH_DRIVERS = {"20.10.24-overlay2": "overlay2", "26.1.5-btrfs": "btrfs", "28.5.2-vfs": "vfs"}


def record(**fields: Any) -> JsonObject:
    return JsonObject(fields, "a record", HERE)


def wire(value: Any) -> bytes:
    return json.dumps(value).encode()


def one_image(**fields: Any) -> Any:
    (found,) = objects.images(wire([{"Id": "sha256:1", "Size": 1, "Created": 1, **fields}]), HERE)
    return found


def one_container(**fields: Any) -> Any:
    (found,) = objects.containers(wire([{"Id": "c1", "Names": ["/one"], "State": "running", **fields}]), HERE)
    return found


# Who answers


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_engine_says_who_it_is(name: str) -> None:
    hello = greeting(body(name, "version"), HERE)
    found = decode_engine(body(name, "info"), hello, HERE)

    assert found.version.startswith(name.split("-")[0].removeprefix("podman"))
    assert found.id == recording(name)["info"]["ID"]
    assert found.root.startswith("/var/lib/docker")
    assert found.name == "vm"
    assert (found.flavour is Flavour.PODMAN) == name.startswith("podman")
    assert (found.image_store is ImageStore.CONTAINERD) == name.endswith("containerd")
    assert found.driver == GRAPH_DRIVERS.get(name, found.driver)
    assert found.api_version == {"20": "1.41", "26": "1.45", "28": "1.51", "29": "1.56", "po": "1.41"}[name[:2]]


def test_a_null_driver_status_is_an_empty_one() -> None:
    hello = greeting(body("28.5.2-vfs", "version"), HERE)
    assert recording("28.5.2-vfs")["info"]["DriverStatus"] is None
    assert decode_engine(body("28.5.2-vfs", "info"), hello, HERE).driver_status == ()


@pytest.mark.parametrize(
    ("newest_there", "oldest_there", "agreed"),
    [
        ("1.24", "1.12", "1.24"),
        ("1.41", "1.12", "1.41"),
        ("1.56", "1.40", "1.56"),
        ("1.99", "1.40", "1.56"),
        ("1.99", "1.70", "1.70"),  # it no longer speaks any version that we know
        ("2.0", "1.40", "1.56"),
        ("1.9", None, "1.9"),
    ],
)
def test_both_sides_agree_on_the_newest_version_that_they_share(
    newest_there: str, oldest_there: str | None, agreed: str
) -> None:
    newest = parse(newest_there)
    assert newest is not None
    assert str(negotiate(newest, parse(oldest_there) if oldest_there else None)) == agreed


def test_api_versions_compare_as_numbers() -> None:
    assert Api(1, 9) < Api(1, 24) < Api(1, 100) < Api(2, 0)


@pytest.mark.parametrize("text", ["", "1", "v1.41", "1.41.2", "1.-4", "1.٤", "1.41\n", "99999.1"])
def test_what_is_no_api_version_is_not_taken_for_one(text: str) -> None:
    assert parse(text) is None
    with pytest.raises(Malformed):
        greeting(wire({"ApiVersion": text}), HERE)


@pytest.mark.parametrize(
    ("api", "flavour", "query"),
    [
        (Api(1, 41), Flavour.DOCKER, ()),
        (Api(1, 42), Flavour.DOCKER, (("type", "volume"),)),
        (Api(1, 51), Flavour.DOCKER, (("type", "volume"),)),
        (Api(1, 52), Flavour.DOCKER, (("type", "volume"), ("verbose", "1"))),
        (Api(1, 44), Flavour.PODMAN, ()),
    ],
)
def test_disk_usage_is_asked_for_in_the_engines_own_dialect(
    api: Api, flavour: Flavour, query: tuple[tuple[str, str], ...]
) -> None:
    hello = greeting(wire({"ApiVersion": str(api), "Components": [{"Name": f"{flavour.value.title()} Engine"}]}), HERE)
    assert hello.dialect.usage_query(UsageKind.VOLUME) == query


# Fields and their sentinels


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, Why.NOT_REPORTED),
        ({"Size": None}, Why.NOT_REPORTED),
        ({"Size": -1}, Why.NOT_REPORTED),
        ({"Size": -2}, Why.INCONSISTENT),
        ({"Size": -(2**40)}, Why.INCONSISTENT),
        ({"Size": 2**64 - 1}, Why.INCONSISTENT),
        ({"Size": "12"}, Why.MALFORMED),
        ({"Size": 12.5}, Why.MALFORMED),
        ({"Size": True}, Why.MALFORMED),
        ({"Size": []}, Why.MALFORMED),
    ],
)
def test_only_a_whole_number_of_bytes_is_a_size(fields: dict[str, Any], why: Why) -> None:
    size = record(**fields).size("Size")
    assert isinstance(size, Unavailable)
    assert size.why is why


@pytest.mark.parametrize("bytes_", [0, 1, 2**50])
def test_a_measured_size_comes_through_as_it_is(bytes_: int) -> None:
    assert record(Size=bytes_).size("Size") == Exact(bytes_, HERE)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1795429754, datetime(2026, 11, 23, 10, 29, 14, tzinfo=UTC)),
        ("2026-11-23T10:29:13.037490851Z", datetime(2026, 11, 23, 10, 29, 13, 37490, tzinfo=UTC)),
        ("2026-11-23T12:29:14+02:00", datetime(2026, 11, 23, 10, 29, 14, tzinfo=UTC)),
    ],
)
def test_both_ways_to_write_a_date_are_read(value: Any, moment: datetime) -> None:
    assert record(Created=value).moment("Created") == Exact(moment, HERE)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, Why.NOT_REPORTED),
        (0, Why.NOT_REPORTED),
        (-62135596800, Why.NOT_REPORTED),
        ("", Why.NOT_REPORTED),
        ("0001-01-01T00:00:00Z", Why.NOT_REPORTED),
        ("0001-01-01T00:00:00+23:59", Why.NOT_REPORTED),
        ("1969-12-31T23:59:59Z", Why.NOT_REPORTED),
        ("1970-01-01T00:30:00+01:00", Why.NOT_REPORTED),
        ("9999-12-31T23:59:59-23:59", Why.MALFORMED),
        ("2026-11-23T10:29:14", Why.MALFORMED),  # in which zone?
        ("yesterday", Why.MALFORMED),
        (10**30, Why.MALFORMED),
        (True, Why.MALFORMED),
        ([], Why.MALFORMED),
    ],
)
def test_no_date_is_never_a_date(value: Any, why: Why) -> None:
    moment = record(Created=value).moment("Created")
    assert isinstance(moment, Unavailable)
    assert moment.why is why


@pytest.mark.parametrize(
    "body_",
    [
        b"",
        b"\x00" * 100,
        b"<html>502 Bad Gateway</html>",
        b'{"Id": "sha',
        b"[" * 200_000,
        b"9" * 10_000,
        b"\xff\xfe{}",
        b'{"a": 1} trailing',
    ],
)
def test_bytes_that_are_not_json_are_malformed(body_: bytes) -> None:
    with pytest.raises(Malformed):
        document(body_)


def test_text_that_no_encoder_could_write_does_not_come_through() -> None:
    found = one_image(RepoTags=["a\ud800b:1"], Labels={"\udfff": "\ud83d\ude00 \ud83d"})
    assert found.tags == ("a?b:1",)
    assert found.labels == {"?": "\U0001f600 ?"}


def test_invalid_utf8_is_replaced_and_the_rest_stays() -> None:
    (found,) = objects.images(b'[{"Id": "sha256:1", "RepoTags": ["caf\xe9:1"], "Size": 5}]', HERE)
    assert found.tags == ("caf�:1",)
    assert found.size == Exact(5, HERE)


# Images


@pytest.mark.parametrize("tags", [None, [], ["<none>:<none>"], ["<none>"]])
def test_an_image_without_a_tag_has_none_however_the_engine_says_it(tags: Any) -> None:
    assert one_image(RepoTags=tags, RepoDigests=["<none>@<none>"]).tags == ()
    assert one_image(RepoTags=tags, RepoDigests=["<none>@<none>"]).digests == ()


def test_what_the_list_of_images_does_not_tell_is_not_asked_and_not_zero() -> None:
    found = one_image(SharedSize=-1, Containers=-1)
    for reading in (found.shared, found.containers, found.diff_ids):
        assert isinstance(reading, Unavailable)
        assert reading.why is Why.NOT_ASKED


@pytest.mark.parametrize("name", NAMES)
def test_containers_name_images_that_are_listed(name: str) -> None:
    known = {image.id for image in objects.images(body(name, "images"), HERE)}
    used = {item.image_id for item in objects.containers(body(name, "containers"), HERE)}
    assert used
    assert used <= known


@pytest.mark.parametrize("name", NAMES)
def test_the_disk_usage_speaks_of_the_same_images_as_the_list(name: str) -> None:
    listed = objects.images(body(name, "images"), HERE)
    measured = usage.images(usage.usage(body(name, "df"), HERE))
    assert {image.id for image in listed} == set(measured)


def test_an_image_that_the_disk_usage_does_not_know_has_no_figures() -> None:
    listed = objects.images(wire([{"Id": "sha256:1", "Size": 7}]), HERE)
    (found,) = objects.images_with_usage(listed, Exact({}, HERE), HERE)
    assert isinstance(found.shared, Unavailable)
    assert found.size == Exact(7, HERE)


def test_layers_come_base_first() -> None:
    reply = {"RootFS": {"Type": "layers", "Layers": ["sha256:a", "sha256:b"]}}
    assert objects.diff_ids(wire(reply), HERE) == Exact(("sha256:a", "sha256:b"), HERE)


def test_an_empty_image_has_no_layer_and_an_absent_answer_has_no_number_of_layers() -> None:
    assert objects.diff_ids(wire({"RootFS": {"Type": "layers"}}), HERE) == Exact((), HERE)
    assert isinstance(objects.diff_ids(wire({}), HERE), Unavailable)
    with pytest.raises(Malformed):
        objects.diff_ids(wire({"RootFS": {"Layers": ["sha256:a", None]}}), HERE)


# Containers


def test_a_writable_layer_of_zero_is_left_out_of_a_measured_record() -> None:
    found = objects.sizes(wire([{"Id": "c1", "SizeRootFs": 1982417}]), HERE)
    assert found == {"c1": usage.ContainerUsage(Exact(0, HERE), Exact(1982417, HERE))}


def test_a_record_with_no_size_at_all_was_not_measured() -> None:
    (measured,) = objects.sizes(wire([{"Id": "c1"}]), HERE).values()
    assert isinstance(measured.writable, Unavailable)
    assert isinstance(measured.rootfs, Unavailable)


def test_a_size_that_the_engine_failed_to_compute_is_unknown() -> None:
    (measured,) = objects.sizes(wire([{"Id": "c1", "SizeRw": -1, "SizeRootFs": 5}]), HERE).values()
    assert isinstance(measured.writable, Unavailable)


@pytest.mark.parametrize(
    ("names", "name"),
    [(["/web"], "web"), (["/other/web", "/web"], "web"), (["web"], "web"), ([], ""), (None, "")],
)
def test_a_container_is_known_by_its_own_name(names: Any, name: str) -> None:
    assert one_container(Names=names).name == name


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Up 2 minutes", "running"),
        ("Up 2 minutes (Paused)", "paused"),
        ("Exited (0) 3 hours ago", "exited"),
        ("Created", "created"),
        ("Dead", "dead"),
        ("Removal In Progress", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_engine_that_sends_no_state_says_it_in_the_status(status: str, state: str) -> None:
    assert one_container(State=None, Status=status).state == state


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_container_tells_its_log_and_its_process(name: str) -> None:
    listed = {item.id: item for item in objects.containers(body(name, "containers"), HERE)}
    for label, reply in recording(name)["inspect"].items():
        found = objects.inspected(listed[reply["Id"]], wire(reply), HERE)
        assert f"/{found.name}" == label
        runs = label in ("/web", "/paused") and not name.startswith("podman")
        assert isinstance(found.pid, Exact) == runs
        assert isinstance(found.finished_at, Exact) == (label == "/exited" and not name.startswith("podman"))
        assert found.log_driver == Exact("local" if label == "/paused" else "json-file", HERE)
        starts = label in ("/web", "/exited") or name.startswith("podman")
        if starts:
            assert isinstance(found.log_path, Exact)
            assert found.log_path.value.endswith(("-json.log", "ctr.log"))
        else:
            assert isinstance(found.log_path, Unavailable)
        overlay = name.endswith("overlay2") or name.startswith("podman")
        assert isinstance(found.layer_path, Exact) == overlay
        if label == "/web":
            assert {mount.kind for mount in found.attachments} == {"volume"}
            assert all(mount.source.endswith("/_data") and mount.volume for mount in found.attachments)


def test_a_log_driver_without_a_file_has_no_log_path_to_miss() -> None:
    reply = {"HostConfig": {"LogConfig": {"Type": "journald"}}, "LogPath": ""}
    found = objects.inspected(one_container(), wire(reply), HERE)
    assert isinstance(found.log_path, Unavailable)
    assert found.log_path.why is Why.NOT_APPLICABLE


def test_a_mount_without_a_type_is_a_volume_if_it_has_a_name() -> None:
    found = one_container(
        Mounts=[
            {"Name": "data", "Source": "/v", "Destination": "/data", "RW": True},
            {"Source": "/etc", "Destination": "/host/etc", "RW": False},
            {"Source": "nowhere"},
        ]
    )
    assert [(mount.kind, mount.volume, mount.writable) for mount in found.attachments] == [
        ("volume", "data", True),
        ("bind", "", False),
    ]


# Volumes


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("podman")])
def test_volumes_are_told_apart_and_those_with_options_are_not_measured(name: str) -> None:
    measured = usage.volume_usages(usage.usage(body(name, "df"), HERE))
    listed = usage.with_usage(usage.volumes(body(name, "volumes"), HERE), Exact(measured, HERE), HERE)
    found = {volume.name: volume for volume in listed}

    assert sum(volume.anonymous for volume in listed) == 2
    assert found["data-used"].size == Exact(31457280, HERE)
    assert found["data-used"].references == Exact(1, HERE)
    assert found["data-unused"].references == Exact(0, HERE)
    assert found["tmpfsvol"].options == {"type": "tmpfs", "device": "tmpfs"}
    assert isinstance(found["tmpfsvol"].size, Unavailable)
    assert found["tmpfsvol"].size.why is Why.NOT_REPORTED


def test_no_volumes_is_a_null_list_and_an_answer() -> None:
    assert usage.volumes(b'{"Volumes": null, "Warnings": null}', HERE) == ()


# Disk usage


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("podman")])
def test_an_answer_to_one_type_does_not_pass_for_an_empty_one_of_another(name: str) -> None:
    asked = usage.usage(body(name, "df_type_container"), HERE)
    assert len(usage.containers(asked)) == 4
    if name.startswith("29"):  # before, the other lists are there and null
        with pytest.raises(Declined):
            usage.volume_usages(asked)


@pytest.mark.parametrize(
    "answer", [{"ImageUsage": {}}, {"ImageUsage": {"TotalCount": 0}}, {"Images": None}, {"Images": []}]
)
def test_an_engine_without_images_says_so_in_any_shape(answer: Any) -> None:
    assert usage.images(usage.usage(wire(answer), HERE)) == {}


def test_a_new_shape_that_counts_and_does_not_list_is_no_empty_list() -> None:
    with pytest.raises(Declined):
        usage.images(usage.usage(wire({"ImageUsage": {"TotalCount": 5, "TotalSize": 9}}), HERE))


@pytest.mark.parametrize(
    ("answer", "bytes_"),
    [
        ({"LayersSize": 5, "Images": [{"Id": "1"}]}, 5),
        ({"LayersSize": 0, "Images": []}, 0),
        ({"LayersSize": 0, "Images": [{"Id": "1"}]}, None),
        ({"ImageUsage": {}}, 0),
        ({"ImageUsage": {"TotalCount": 1, "TotalSize": 7, "Items": [{"Id": "1"}]}}, 7),
        ({"LayersSize": -1, "Images": []}, None),
        ({"Images": []}, None),
    ],
)
def test_the_size_of_all_layers_is_only_a_figure_if_it_was_computed(answer: Any, bytes_: int | None) -> None:
    size = usage.layers_size(usage.usage(wire(answer), HERE))
    assert (size.value if isinstance(size, Exact) else None) == bytes_


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("podman")])
def test_the_build_cache_knows_parents_and_kinds_under_each_of_its_keys(name: str) -> None:
    found = {item.id: item for item in usage.build_cache(usage.usage(body(name, "df"), HERE))}
    assert len(found) == 13
    assert {"regular", "source.local", "exec.cachemount"} <= {item.kind for item in found.values()}
    parents = {parent for item in found.values() for parent in item.parents}
    assert parents
    assert parents <= set(found)


def test_a_build_record_that_does_not_say_whether_it_is_used_is_not_taken_as_unused() -> None:
    reply = {"BuildCache": [{"ID": "a", "Shared": False, "Size": 1}]}
    with pytest.raises(Malformed):
        usage.build_cache(usage.usage(wire(reply), HERE))
