import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgescale.device.machine_record import machine_from
from edgescale.device.probe import Machine, probe
from edgescale.errors import ProfileError
from edgescale.family.fields import Fields
from tests.fake_board import hwmon, raspberry_pi
from tests.fake_root import docker_v2, opened_by, pci_tpu, usb_tpu


def full_machine(root: Path) -> Machine:
    raspberry_pi(root)
    hwmon(root, 0, "nvme", {"temp1_input": -5_000})
    docker_v2(root, limit_bytes=2**29, used_bytes=2**28)
    usb_tpu(root, firmware=True, speed=480)
    pci_tpu(root)
    pci_tpu(root, "0000:02:00.0", apex=None)
    opened_by(root, 4242, "/dev/apex_0")
    return probe(root)


def read(record: object) -> Machine:
    return machine_from(Fields(record, "profile.json: machine", ProfileError))


def test_a_machine_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    machine = full_machine(tmp_path)
    assert read(json.loads(json.dumps(machine.to_dict()))) == machine
    here = probe()
    assert read(json.loads(json.dumps(here.to_dict()))) == here


def test_every_field_that_a_board_fills_is_filled_here(tmp_path: Path) -> None:
    record = full_machine(tmp_path).to_dict()
    assert all(value not in (None, [], ()) for value in record.values())
    board, stick = record["edge_tpus"][0], record["edge_tpus"][2]
    assert all(board[key] or stick[key] for key in board)


def _dropped(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.pop(key)


def _set(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update({key: value})


def _of_tpu(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["edge_tpus"][0].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        pytest.param(_dropped("swap_total_bytes"), "'swap_total_bytes' is missing", id="missing"),
        pytest.param(_set("extra", 1), "unknown key 'extra'", id="unknown"),
        pytest.param(_set("cores", 0), "cores: expected a whole number", id="no-core"),
        pytest.param(_set("cpu_max_mhz", -1), "cpu_max_mhz: expected a number", id="clock"),
        pytest.param(_set("cpu_max_mhz", "1"), "cpu_max_mhz: expected a number", id="text"),
        pytest.param(_set("temperatures", [{"name": "cpu"}]), "'celsius' is missing", id="heat"),
        pytest.param(_set("memory_limits", {}), "memory_limits: expected a list", id="limits"),
        pytest.param(_of_tpu("bus", "isa"), "'isa' is not known", id="bus"),
        pytest.param(_of_tpu("driver", 1), "driver: expected true or false", id="driver"),
        pytest.param(_of_tpu("trip_points_c", [85, "x"]), "a list of numbers", id="trips"),
        pytest.param(_of_tpu("owners", [True]), "a list of whole numbers", id="owners"),
        pytest.param(_of_tpu("owners", [-1]), "a list of whole numbers", id="no-process"),
        pytest.param(_of_tpu("power_ma", 1.5), "power_ma: expected a whole number", id="power"),
    ],
)
def test_what_was_not_written_so_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    record = json.loads(json.dumps(full_machine(tmp_path).to_dict()))
    spoil(record)
    with pytest.raises(ProfileError, match=complaint):
        read(record)
