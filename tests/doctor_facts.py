"""Facts for the doctor of a machine on which all is well; a test changes one of them."""

from dataclasses import replace
from typing import Any

from edgescale.device.doctor import diagnose
from edgescale.device.doctor_facts import Board, Facts, ModelFacts, Software, System, User
from edgescale.device.doctor_finding import Finding
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.libedgetpu import LibraryReport
from edgescale.inference.delegate import PycoralReport
from edgescale.inference.runtime import RuntimeStatus
from tests.fakes import machine

LIBRARY_PATH = "/usr/lib/libedgetpu.so.1.0"
USB = EdgeTpu(
    "usb", "2-1", 5000, None, None,
    firmware_loaded=True, node="/dev/bus/usb/002/003", accessible=True,
)  # fmt: skip
PCI = EdgeTpu(
    "pci", "apex_0", None, 47.3, None,
    node="/dev/apex_0", driver=True, accessible=True, trip_points_c=(85.0, 90.0, 95.0),
)  # fmt: skip
NO_LIBRARY = LibraryReport(
    "libedgetpu.so.1", False, None, None, (), None, "libedgetpu.so.1: not found",
    refusal="libedgetpu.so.1: cannot open shared object file: No such file or directory",
)  # fmt: skip
MODEL = ModelFacts("mobile_edgetpu.tflite", 14)


def library(**changes: Any) -> LibraryReport:
    """Returns what a working libedgetpu of 2025 says."""
    works = LibraryReport(
        "libedgetpu.so.1", True, "BuildLabel(COMPILER=12.2.0), RuntimeVersion(14)", 14,
        ("usb /sys/bus/usb/devices/2-1",), None, f"{LIBRARY_PATH}: runtime 14", path=LIBRARY_PATH,
    )  # fmt: skip
    return replace(works, **changes)


def board(tpu: EdgeTpu = USB, **changes: Any) -> Board:
    """Returns an Edge TPU that may be opened."""
    sensor_c = tpu.temperature_c
    text, group = f"{tpu.node} is root:plugdev 0660", "plugdev"
    return replace(Board(tpu, True, text, group, sensor_c=sensor_c), **changes)


def system(*boards: Board, **changes: Any) -> System:
    """Returns a plain machine with these Edge TPUs."""
    groups = ("alice", "plugdev")
    whole = System(machine(), boards, User("alice", groups, groups), None, True, 5, 5)
    return replace(whole, **changes)


def software(**changes: Any) -> Software:
    """Returns a working library and runtime."""
    statuses = (
        RuntimeStatus("ai_edge_litert", "2.3.0", True, "runs the probe model"),
        RuntimeStatus("tflite_runtime", None, None, "not installed, not needed"),
    )
    pycoral = PycoralReport(False, False, None, "not installed")
    whole = Software(
        library(), False, statuses, ("ai_edge_litert", "2.3.0"), None, None, "2.4.6", pycoral
    )
    return replace(whole, **changes)


def found(facts: Facts) -> dict[str, Finding]:
    """Returns what is not well, by the name of the check; each check speaks once."""
    return {one.check: one for one in diagnose(facts) if one.level != "ok"}
