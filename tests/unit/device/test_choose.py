from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.choose import choices, model_for
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.errors import NotForThisDevice
from edgescale.family.manifest import VariantRecord
from tests.fakes import fake_family, machine

USB = EdgeTpu("usb", "2-1", 5000, None, None)
PCI = EdgeTpu("pci", "apex_0", None, None, None)
DRIVERLESS = EdgeTpu("pci", "0000:01:00.0", None, None, "no driver", driver=False)


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
