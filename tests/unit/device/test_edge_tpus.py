import os
from pathlib import Path

import pytest

from edgescale.device.edge_tpus import EdgeTpu, edge_tpu_temperature_c, find_edge_tpus, may_open
from tests.fake_root import (
    APEX_TRIP_POINTS_C,
    OFF_THE_BUS_MILLI_C,
    device_node,
    link,
    may_open_by_mode,
    opened_by,
    pci_tpu,
    usb_device,
    usb_tpu,
    write,
)


def only(root: Path) -> EdgeTpu:
    (tpu,) = find_edge_tpus(root, may_open=may_open_by_mode)
    return tpu


def test_a_machine_without_sysfs_has_none(tmp_path: Path) -> None:
    assert find_edge_tpus(tmp_path) == ()


def test_usb_3_before_its_firmware(tmp_path: Path) -> None:
    usb_tpu(tmp_path)
    assert only(tmp_path) == EdgeTpu(
        bus="usb",
        path="2-1",
        speed_mbit_s=5000,
        temperature_c=None,
        note=None,
        power_ma=896,
        firmware_loaded=False,
        node="/dev/bus/usb/002/003",
        accessible=True,
    )


def test_usb_2_after_its_firmware_and_nothing_else_on_the_bus(tmp_path: Path) -> None:
    usb_tpu(tmp_path, "1-1.4", firmware=True, speed=480, number=12, power="498 mA")
    usb_device(tmp_path, "2-2", ("18d1", "4ee7"))
    usb_device(tmp_path, "usb1", ("1d6b", "0002"), speed=480)
    tpu = only(tmp_path)
    assert (tpu.path, tpu.speed_mbit_s, tpu.power_ma) == ("1-1.4", 480, 498)
    assert (tpu.firmware_loaded, tpu.node) == (True, "/dev/bus/usb/001/012")
    assert tpu.note == "on USB 2: use a USB 3 port and cable for full speed"


def test_usb_without_permission(tmp_path: Path) -> None:
    usb_tpu(tmp_path, permitted=False)
    tpu = only(tmp_path)
    assert tpu.accessible is False
    assert tpu.note is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may open everything")
def test_the_kernel_judges_who_may_open_a_node(tmp_path: Path) -> None:
    path = device_node(tmp_path, "/dev/apex_0")
    assert may_open(path)
    path.chmod(0o400)
    assert not may_open(path)


def test_a_node_that_is_not_there_cannot_be_opened(tmp_path: Path) -> None:
    assert not may_open(tmp_path / "missing")
    assert not may_open(tmp_path / "nul\0")


def test_a_container_that_was_not_given_the_node(tmp_path: Path) -> None:
    usb_tpu(tmp_path, speed=480, node=False)
    tpu = only(tmp_path)
    assert tpu.accessible is False
    assert tpu.note is not None
    assert tpu.note.startswith("on USB 2: ")
    assert "; /dev/bus/usb/002/003 is not here" in tpu.note


def test_pcie_with_its_driver(tmp_path: Path) -> None:
    pci_tpu(tmp_path)
    assert only(tmp_path) == EdgeTpu(
        bus="pci",
        path="apex_0",
        speed_mbit_s=None,
        temperature_c=47.3,
        note=None,
        node="/dev/apex_0",
        driver=True,
        accessible=True,
        trip_points_c=APEX_TRIP_POINTS_C,
    )


def test_pcie_without_its_driver(tmp_path: Path) -> None:
    pci_tpu(tmp_path, apex=None)
    note = "the gasket/apex driver is not loaded for it"
    assert only(tmp_path) == EdgeTpu("pci", "0000:01:00.0", None, None, note, driver=False)


@pytest.mark.parametrize(
    ("driver", "held", "text"), [("vfio-pci", False, "vfio-pci"), ("apex", True, "dmesg")]
)
def test_pcie_with_another_driver_or_without_a_node(
    tmp_path: Path, driver: str, held: bool, text: str
) -> None:
    folder = pci_tpu(tmp_path, apex=None)
    link(folder, "driver", f"../../../bus/pci/drivers/{driver}")
    tpu = only(tmp_path)
    assert tpu.driver is held
    assert tpu.note is not None
    assert text in tpu.note


def test_pcie_that_is_hot_keeps_its_figures_and_is_no_fault(tmp_path: Path) -> None:
    pci_tpu(tmp_path, milli_c=91_250, trip_points_c=(70.0, 80.0, 90.0))
    tpu = only(tmp_path)
    assert (tpu.temperature_c, tpu.trip_points_c, tpu.note) == (91.25, (70.0, 80.0, 90.0), None)


def test_pcie_that_fell_off_the_bus_has_no_temperature(tmp_path: Path) -> None:
    pci_tpu(tmp_path, milli_c=OFF_THE_BUS_MILLI_C)
    tpu = only(tmp_path)
    assert tpu.temperature_c is None
    assert tpu.note is not None
    assert "-89.7 C: it fell off the bus" in tpu.note


@pytest.mark.parametrize("text", [None, "", "hot", "9" * 400])
def test_pcie_without_a_temperature_is_no_fault(tmp_path: Path, text: str | None) -> None:
    pci_tpu(tmp_path, milli_c=text)
    assert (only(tmp_path).temperature_c, only(tmp_path).note) == (None, None)


def test_nodes_belong_to_the_boards_that_they_say(tmp_path: Path) -> None:
    pci_tpu(tmp_path, "0000:01:00.0", apex=None)
    pci_tpu(tmp_path, "0000:02:00.0", apex=0)
    first, second = find_edge_tpus(tmp_path)
    assert (first.path, first.driver) == ("apex_0", True)
    assert (second.path, second.driver) == ("0000:01:00.0", False)


def test_a_node_that_says_no_board_stands_for_one_that_is_left(tmp_path: Path) -> None:
    pci_tpu(tmp_path, "0000:01:00.0", apex=0)
    pci_tpu(tmp_path, "0000:02:00.0", apex=None)
    pci_tpu(tmp_path, "0000:03:00.0", apex=None)
    write(tmp_path, {"sys/class/apex/apex_1/temp": "50000\n"})
    assert [tpu.path for tpu in find_edge_tpus(tmp_path)] == ["apex_0", "apex_1", "0000:03:00.0"]


def test_pcie_comes_before_usb_as_in_libedgetpu(tmp_path: Path) -> None:
    usb_tpu(tmp_path)
    pci_tpu(tmp_path)
    assert [tpu.bus for tpu in find_edge_tpus(tmp_path)] == ["pci", "usb"]


def test_owners_are_the_processes_that_have_the_node_open(tmp_path: Path) -> None:
    usb_tpu(tmp_path)
    pci_tpu(tmp_path, owner=99)
    opened_by(tmp_path, 4242, "/dev/bus/usb/002/003")
    opened_by(tmp_path, 17, "/dev/bus/usb/002/003", descriptor=5)
    opened_by(tmp_path, 17, "/dev/bus/usb/002/003", descriptor=6)
    opened_by(tmp_path, 18, "/dev/null")
    board, stick = find_edge_tpus(tmp_path)
    assert stick.owners == (17, 4242)
    assert board.owners == (99,)  # nobody to be seen, but the driver knows
    opened_by(tmp_path, 7, "/dev/apex_0")
    assert find_edge_tpus(tmp_path)[0].owners == (7,)


def test_the_temperature_is_read_anew(tmp_path: Path) -> None:
    pci_tpu(tmp_path, milli_c=50_000)
    usb_tpu(tmp_path)
    board, stick = find_edge_tpus(tmp_path)
    write(tmp_path, {"sys/class/apex/apex_0/temp": "85500\n"})
    assert edge_tpu_temperature_c(board, tmp_path) == 85.5
    assert edge_tpu_temperature_c(stick, tmp_path) is None
    write(tmp_path, {"sys/class/apex/apex_0/temp": f"{OFF_THE_BUS_MILLI_C}\n"})
    assert edge_tpu_temperature_c(board, tmp_path) is None
    write(tmp_path, {"etc/temp": "50000\n"})
    elsewhere = EdgeTpu("pci", "../../../etc", None, None, None)
    assert edge_tpu_temperature_c(elsewhere, tmp_path) is None


def test_garbage_and_loops_of_links_do_not_crash(tmp_path: Path) -> None:
    folder = usb_tpu(tmp_path, node=False)
    write(folder, {"speed": b"\xff\xfe", "bMaxPower": "lots", "busnum": "x", "devnum": ""})
    link(tmp_path, "sys/bus/usb/devices/3-1", "3-1")
    link(tmp_path, "sys/class/apex/apex_7", "apex_7")
    write(tmp_path, {"sys/class/apex/version": "1", "proc/12/fd": "no folder"})
    found = {tpu.path: tpu for tpu in find_edge_tpus(tmp_path)}
    assert set(found) == {"apex_7", "2-1"}
    stick = found["2-1"]
    assert (stick.speed_mbit_s, stick.power_ma, stick.node, stick.accessible) == (None,) * 4
