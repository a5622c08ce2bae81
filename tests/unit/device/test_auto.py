"""``auto`` with an Edge TPU in sight: used when it works, said when it does not."""

from pathlib import Path

import pytest

from edgescale.device.choose import resolve
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.inference.worker import WorkerSettings
from tests.edgetpu_double import double, needs_compiler, own_locks
from tests.fakes import machine
from tests.tiny_models import tiny_record

__all__ = ["double", "own_locks"]

pytestmark = pytest.mark.usefixtures("own_locks")

WITH_USB = machine(edge_tpus=(EdgeTpu("usb", "2-1", 5000, None, None),))


@pytest.mark.parametrize("library", ["libnowhere.so.1", __file__])
def test_auto_says_why_it_falls_back_to_the_cpu(tmp_path: Path, library: str) -> None:
    settings = WorkerSettings(device="auto", edgetpu_library=library)
    choice, resolved = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert resolved.device == choice.device == "cpu"
    assert "there is an Edge TPU" in choice.reason
    assert library in choice.reason


def test_a_named_edge_tpu_never_falls_back(tmp_path: Path) -> None:
    settings = WorkerSettings(device="usb", edgetpu_library="libnowhere.so.1")
    _, resolved = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert resolved.device == "usb"


@needs_compiler
def test_auto_takes_an_edge_tpu_that_works(tmp_path: Path, double: str) -> None:
    settings = WorkerSettings(device="auto", edgetpu_library=double)
    choice, _ = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert choice.device == "usb"
