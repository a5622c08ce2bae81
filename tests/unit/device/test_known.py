"""The shipped device files: every value says where it is from."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli.devices import command
from edgescale.device.known import known_devices
from edgescale.errors import DeviceError


def test_every_shipped_device_can_be_read_and_names_its_sources() -> None:
    devices = list(known_devices())
    assert {"coral-usb-accelerator", "coral-dev-board"} <= {device.id for device in devices}
    for device in devices:
        for value in device.values:
            assert (value.value is None) == (value.kind is None) == (value.source is None)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"value": 1, "kind": "guess", "source": "x"}, "guess"),
        ({"value": 1, "kind": "datasheet", "source": None}, "source"),
        ({"value": 1}, "kind"),
        (3, "table"),
    ],
)
def test_a_value_without_its_origin_is_refused(
    tmp_path: Path, value: object, complaint: str
) -> None:
    record = {"schema_version": 1, "id": "x", "name": "X", "values": {"ram_bytes": value}}
    (tmp_path / "x.json").write_text(json.dumps(record))
    with pytest.raises(DeviceError, match=complaint):
        list(known_devices(tmp_path))


def test_the_verb_shows_each_value_with_its_source() -> None:
    said = CliRunner().invoke(command, ["--known"]).output
    assert "clock_max_hz: 500000000 (source code: google-coral/libedgetpu" in said
    assert "cpu: not known" in said
    record = json.loads(CliRunner().invoke(command, ["--known", "--json"]).output)
    assert {device["id"] for device in record["devices"]} >= {"coral-dev-board"}
