"""The shipped device files: every value says where it is from."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgescale.cli.devices import command
from edgescale.device.known import find_device, known_devices
from edgescale.errors import DeviceError


def test_every_shipped_device_can_be_read_and_names_its_sources() -> None:
    devices = list(known_devices())
    assert {"coral-usb-accelerator", "coral-dev-board"} <= {device.id for device in devices}
    for device in devices:
        for value in device.values:
            assert (value.value is None) == (value.kind is None) == (value.source is None)


GOOD: dict[str, Any] = {
    "schema_version": 1,
    "id": "x",
    "name": "X",
    "names": ["short"],
    "edge_tpu": True,
    "latency_calibration": {"link": None, "same_host": None, "remark": "nobody published one"},
    "values": {"ram_bytes": {"value": None, "kind": None, "source": None}},
    "latencies": [],
}
LATENCY = {"network": "S", "baseline": "b", "variant": "s", "input_side": 224, "latency_ms": 5.1,
           "kind": "published", "source": "a table"}  # fmt: skip


def written(folder: Path, **changes: object) -> Path:
    (folder / "x.json").write_text(json.dumps({**GOOD, **changes}))
    return folder


def calibrated(link: str | None, same_host: bool | None, remark: str | None) -> dict[str, object]:
    return {"latency_calibration": {"link": link, "same_host": same_host, "remark": remark}}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"value": 1, "kind": "guess", "source": "x"}, "guess"),
        ({"value": 1, "kind": "source code", "source": "x"}, "source code"),
        ({"value": 1, "kind": "datasheet", "source": None}, "source"),
        ({"value": 1}, "kind"),
        (3, "table"),
    ],
)
def test_a_value_without_its_origin_is_refused(
    tmp_path: Path, value: object, complaint: str
) -> None:
    with pytest.raises(DeviceError, match=complaint):
        list(known_devices(written(tmp_path, values={"ram_bytes": value})))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"names": []}, "one short name at least", id="no short name"),
        pytest.param({"names": [1]}, "list of texts", id="a name that is no text"),
        pytest.param({"edge_tpu": None}, "true or false", id="with or without an Edge TPU"),
        pytest.param(calibrated(None, None, None), "the reason why no latency",
                     id="no reason"),
        pytest.param(calibrated("usb3", None, None), "true or false", id="whose constants"),
        pytest.param(calibrated("usb3", False, None), "expected whose constants they are",
                     id="borrowed without a word"),
        pytest.param(calibrated(None, True, "none"), "null where there is no link",
                     id="a host of nothing"),
        pytest.param({"latencies": [{**LATENCY, "latency_ms": 0}]}, "latency_ms", id="no time"),
        pytest.param({"latencies": [{**LATENCY, "baseline": None}]}, "null for both",
                     id="half a name"),
        pytest.param({"latencies": [{**LATENCY, "kind": "predicted"}]}, "predicted",
                     id="a prediction is no published latency"),
        pytest.param({"latencys": []}, "unknown key 'latencys'", id="typo"),
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(DeviceError, match=complaint):
        list(known_devices(written(tmp_path, **changes)))


def test_a_device_is_found_by_id_and_short_name_and_read_whole(tmp_path: Path) -> None:
    folder = written(tmp_path, latencies=[LATENCY])
    device = find_device("x", folder)
    assert device == find_device(" SHORT ", folder)
    assert (device.short_name, device.latency_calibration.link) == ("short", None)
    assert (device.latencies[0].variant, device.latencies[0].latency_ms) == ("s", 5.1)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("ubs3", "did you mean 'usb3'?"),
        ("devboard2", "did you mean 'devboard'?"),
        ("jetson", "; known: dev-board, dev-board-mini, m2, "),
    ],
)
def test_an_unknown_device_gets_the_nearest_name_or_all(typed: str, hint: str) -> None:
    with pytest.raises(DeviceError) as caught:
        find_device(typed)
    assert hint in str(caught.value)


def test_the_verb_shows_each_value_with_its_source() -> None:
    said = CliRunner().invoke(command, ["--known"]).output
    assert "clock_max_hz: 500000000 (published: google-coral/libedgetpu" in said
    assert "cpu: not known" in said
    assert "coral-usb-accelerator: Coral USB Accelerator on an x86-64 PC, USB 3 (or usb3, " in said
    for line in (
        "  latency of EfficientNet-EdgeTPU-S, 224 px: 5.1 ms (published: coral.ai/docs/edgetpu/",
        "  latency_calibration: usb3\n",
        "  latency_calibration: dev-board (calibrated on the Coral Dev Board, which",
        "  latency_calibration: none (no latency on it is published, and how",
    ):
        assert line in said
    record = json.loads(CliRunner().invoke(command, ["--known", "--json"]).output)
    assert {device["id"] for device in record["devices"]} >= {"coral-dev-board"}
