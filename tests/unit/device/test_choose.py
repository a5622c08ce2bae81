from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.choose import choose_device, model_for
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.errors import NotForThisDevice
from tests.fakes import fake_family, machine

USB = EdgeTpu("usb", "2-1", 5000, None, None)
PCI = EdgeTpu("pci", "apex_0", None, None, None)
DRIVERLESS = EdgeTpu("pci", "0000:01:00.0", None, None, "no driver")


def test_auto_takes_an_edge_tpu_only_for_models_that_are_compiled(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = replace(plain, compiled=plain.model)
    assert choose_device("auto", machine(), [compiled]).device == "cpu"
    with_tpu = machine(edge_tpus=(USB,))
    assert choose_device("auto", with_tpu, [plain, compiled]).device == "usb"
    choice = choose_device("auto", with_tpu, [plain])
    assert choice.device == "cpu"
    assert "no model is compiled" in choice.reason


def test_auto_passes_a_board_without_driver_by(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    compiled = [replace(plain, compiled=plain.model)]
    assert choose_device("auto", machine(edge_tpus=(DRIVERLESS,)), compiled).device == "cpu"
    assert choose_device("auto", machine(edge_tpus=(DRIVERLESS, USB)), compiled).device == "usb"
    assert choose_device("auto", machine(edge_tpus=(PCI, USB)), compiled).device == "pci"


def test_a_named_edge_tpu_never_becomes_the_cpu(tmp_path: Path) -> None:
    (plain,) = fake_family(tmp_path, {"a": 1}).manifest.variants
    assert choose_device("usb:1", machine(), [plain]).device == "usb:1"
    with pytest.raises(NotForThisDevice, match="not compiled yet"):
        model_for(plain, "usb:1")
    assert model_for(plain, "cpu") == plain.model
