import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.choose import (
    DeviceChoice,
    choices,
    edge_tpu_devices,
    edge_tpu_of,
    link_mbit_s,
    model_for,
    resolve,
)
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.errors import EdgeTpuBusy, NotForThisDevice
from edgescale.family.manifest import VariantRecord
from edgescale.inference.worker import WorkerSettings
from tests.fakes import fake_family, machine

USB = EdgeTpu("usb", "2-1", 5000, None, None)
PCI = EdgeTpu("pci", "apex_0", None, None, None)
DRIVERLESS = EdgeTpu("pci", "0000:01:00.0", None, None, "no driver", driver=False)
TAKEN = replace(USB, owners=(os.getpid(), 7, 5))
SECOND = replace(USB, path="2-2")


def devices(variants: Sequence[VariantRecord], *tpus: EdgeTpu) -> list[str]:
    return [one.device for one in choices("auto", machine(edge_tpus=tpus), variants)]


def test_auto_takes_an_edge_tpu_only_for_models_that_are_compiled(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = replace(plain, compiled=plain.model)
    assert devices([compiled]) == ["cpu"]
    assert devices([plain, compiled], USB) == ["usb", "cpu"]
    (choice,) = choices("auto", machine(edge_tpus=(USB,)), [plain])
    assert choice.device == "cpu"
    assert "no model is compiled" in choice.reason


def test_auto_passes_a_board_without_driver_by(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = [replace(plain, compiled=plain.model)]
    assert devices(compiled, DRIVERLESS) == ["cpu"]
    assert devices(compiled, DRIVERLESS, USB) == ["usb", "cpu"]
    assert devices(compiled, DRIVERLESS, PCI, USB) == ["pci", "usb", "cpu"]
    assert devices(compiled, PCI, replace(PCI, path="apex_1")) == ["pci", "pci:1", "cpu"]


def test_auto_says_why_an_edge_tpu_cannot_be_used(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = replace(plain, compiled=plain.model)
    closed = machine(edge_tpus=(replace(USB, accessible=False), DRIVERLESS))
    (choice,) = choices("auto", closed, [compiled])
    assert "2-1: your user may not open it; 0000:01:00.0: no driver" in choice.reason


def test_a_named_edge_tpu_never_becomes_the_cpu(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    assert [one.device for one in choices("usb:1", machine(), [plain])] == ["usb:1"]
    with pytest.raises(NotForThisDevice, match="not compiled yet"):
        model_for(plain, "usb:1")
    assert model_for(plain, "cpu") == plain.model


def test_edge_tpus_count_on_their_bus_without_boards_that_have_no_driver() -> None:
    tpus = (USB, DRIVERLESS, PCI, SECOND)
    assert edge_tpu_devices(machine(edge_tpus=tpus)) == [
        ("pci", PCI), ("usb", USB), ("usb:1", SECOND),
    ]  # fmt: skip


@pytest.mark.parametrize(("device", "tpu"), [
    ("usb", USB), ("usb:0", USB), ("usb:1", SECOND), ("usb:2", None), ("pci", PCI), ("auto", PCI),
    (":0", PCI), (":1", USB), (":2", SECOND), (":3", None), ("cpu", None),
])  # fmt: skip
def test_a_device_string_means_one_edge_tpu(
    tmp_path: Path, device: str, tpu: EdgeTpu | None
) -> None:
    (tmp_path / "sys/class/apex/apex_0").mkdir(parents=True)
    here = machine(edge_tpus=(DRIVERLESS, PCI, USB, SECOND))
    assert edge_tpu_of(device, here, tmp_path) is tpu


def test_auto_leaves_an_edge_tpu_to_the_process_that_has_it(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = [replace(plain, compiled=plain.model)]
    (choice,) = choices("auto", machine(edge_tpus=(TAKEN,)), compiled)
    assert choice == DeviceChoice(
        "cpu",
        "no Edge TPU can be used (2-1: it is open in process 5, 7; 'edgescale doctor' says more)",
    )
    first, last = choices("auto", machine(edge_tpus=(TAKEN, SECOND)), compiled)
    assert first == DeviceChoice(
        "usb:1", "there is an Edge TPU (2-2); 2-1: it is open in process 5, 7"
    )
    assert (last.device, last.reason[:42]) == ("cpu", "no other Edge TPU can be used (2-1: it is ")
    assert devices(compiled, replace(USB, owners=(os.getpid(),))) == ["usb", "cpu"]


@pytest.mark.parametrize("device", ["usb", "usb:0", ":0"])
def test_a_named_edge_tpu_that_another_process_has_is_refused(tmp_path: Path, device: str) -> None:
    variants = fake_family(tmp_path, {"a": 1}).manifest.variants
    settings, taken = WorkerSettings(device=device), machine(edge_tpus=(TAKEN, SECOND))
    with pytest.raises(EdgeTpuBusy, match=rf"'{device}' \(2-1\) is open in process 5, 7, and only"):
        resolve(variants, settings, taken)
    for other in ("usb:1", "cpu"):
        assert resolve(variants, replace(settings, device=other), taken)[0].device == other


def test_auto_asks_a_named_library_only_where_the_kernel_shows_nothing(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = [replace(plain, compiled=plain.model)]
    unseen, cpu = choices("auto", machine(), compiled, library="libx.so")
    assert unseen.device == ":0"
    assert (
        unseen.reason == "libx.so was named and may know an Edge TPU, though the kernel shows none"
    )
    assert cpu == DeviceChoice("cpu", "no Edge TPU is connected")
    closed = machine(edge_tpus=(replace(USB, accessible=False),))
    assert len(choices("auto", closed, compiled, library="libx.so")) == 1
    assert len(choices("auto", machine(), [plain], library="libx.so")) == 1


def test_the_speed_of_a_link_is_told_once_the_firmware_is_loaded() -> None:
    used = replace(USB, firmware_loaded=True, speed_mbit_s=480)
    assert link_mbit_s("usb", machine(edge_tpus=(used,))) == 480
    assert link_mbit_s("usb", machine(edge_tpus=(replace(used, firmware_loaded=False),))) is None
    assert link_mbit_s("cpu", machine(edge_tpus=(used,))) is None
    assert link_mbit_s("usb", machine()) is None
