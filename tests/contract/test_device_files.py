"""Every device file: its keys, where each value is from, and names that lead somewhere."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edgescale.architecture.baseline import find_baseline, find_published
from edgescale.device.known import KINDS, find_device, known_devices
from edgescale.edgetpu.latency import calibrations

FOLDER = Path(__file__).parents[2] / "devices"
FILES = sorted(FOLDER.glob("*.json"))
KEYS = {"schema_version", "id", "name", "names", "edge_tpu", "latency_calibration", "values",
        "latencies"}  # fmt: skip
OF_EVERY_DEVICE = {"link", "ram_bytes", "cpu"}
OF_AN_EDGE_TPU = {"edge_tpus", "activation_memory_bytes", "clock_max_hz"}
# Published networks that are not ours; a spelling of its own would hide a double.
FOREIGN = {
    "DeepLab V3", "DenseNet", "Inception V1", "Inception-ResNet V2", "MobileNet V1 1.0 224",
    "MobileNet V1 SSD", "MobileNet V2 SSD", "ResNet-50 V2", "SqueezeNet", "Unet Mv2", "VGG16",
    "SSD MobileNet V1 COCO (postprocess)", "SSD MobileNet V2 face (postprocess)",
}  # fmt: skip


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def record(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    assert found["id"] == request.param.stem
    return found


def test_every_device_of_the_line_has_a_file() -> None:
    assert {path.stem for path in FILES} == {
        "coral-dev-board", "coral-dev-board-mini", "coral-m2-accelerator-ae",
        "coral-m2-accelerator-bm", "coral-m2-accelerator-dual", "coral-mini-pcie-accelerator",
        "coral-usb-accelerator", "coral-usb-accelerator-pi3", "coral-usb-accelerator-pi4",
        "coral-usb-accelerator-pi5", "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5",
        "x86-pc",
    }  # fmt: skip


def test_a_file_has_just_the_keys_of_the_schema(record: dict[str, Any]) -> None:
    assert set(record) == KEYS
    assert record["schema_version"] == 1
    assert set(record["values"]) >= OF_EVERY_DEVICE
    assert (set(record["values"]) >= OF_AN_EDGE_TPU) == record["edge_tpu"]


def test_every_value_says_its_kind_and_source_or_is_null_throughout(record: dict[str, Any]) -> None:
    for name, value in record["values"].items():
        assert set(value) == {"value", "kind", "source"}, name
        if value["value"] is None:
            assert (value["kind"], value["source"]) == (None, None), name
        else:
            assert value["kind"] in KINDS, name
            assert value["source"].strip(), name
            assert "not verified" not in value["source"], name


def test_a_value_has_the_type_and_range_of_its_unit(record: dict[str, Any]) -> None:
    low_and_high = {"_bytes": (2**20, 2**40), "_hz": (10**6, 10**10), "_celsius": (-60, 130)}
    for name, value in record["values"].items():
        for unit, (low, high) in low_and_high.items():
            if unit in name and value["value"] is not None:
                assert low <= value["value"] <= high, name


def test_a_calibration_exists_or_its_absence_has_a_reason(record: dict[str, Any]) -> None:
    about = record["latency_calibration"]
    assert set(about) == {"link", "same_host", "remark"}
    link, remark = about["link"], about["remark"]
    if link is None:
        assert about["same_host"] is None
        assert remark
        return
    assert record["edge_tpu"]
    assert about["same_host"] == bool(record["latencies"])
    if not about["same_host"]:
        assert "calibrated on" in remark  # another host's constants: the reader must learn it
    elif calibrations()[link].networks <= 2:
        assert "overhead from two networks" in remark


# What the benchmarks of others say of a board; nothing else may be laid at their door.
SAID_BY = {
    "NobuoTsukamoto/benchmarks": {"ram_bytes", "python"},
    "google-coral/edgetpu benchmarks": {"link"},
}


def test_a_table_of_benchmarks_is_no_source_for_what_it_does_not_say(
    record: dict[str, Any],
) -> None:
    for name, value in record["values"].items():
        for source, said in SAID_BY.items():
            if (value["source"] or "").startswith(source):
                assert name in said, name


def test_latencies_are_of_known_networks_each_once(record: dict[str, Any]) -> None:
    every = Counter(latency["network"] for latency in record["latencies"])
    assert not [name for name, times in every.items() if times > 1]
    for latency in record["latencies"]:
        assert latency["kind"] in KINDS
        assert latency["latency_ms"] > 0
        if latency["baseline"] is None:
            assert latency["network"] in FOREIGN
            continue
        member = find_published(find_baseline(latency["baseline"]), latency["variant"])
        assert latency["input_side"] == member.resolution


def test_short_names_are_lower_case_and_lead_to_one_device_each() -> None:
    devices = list(known_devices(FOLDER))
    names = [name for device in devices for name in (device.id, *device.names)]
    assert not [name for name, times in Counter(names).items() if times > 1]
    for device in devices:
        for name in (device.id, *device.names):
            assert name == name.lower().strip()
            assert find_device(name, FOLDER) == device
