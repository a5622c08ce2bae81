"""``auto`` with an Edge TPU in sight: used when it works, said when it does not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.measure import resolve
from edgescale.inference.worker import WorkerSettings
from tests.fakes import machine
from tests.tiny_models import tiny_record

SOURCE = Path(__file__).parents[2] / "fake_edgetpu.c"
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


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile a library")
def test_auto_takes_an_edge_tpu_that_works(tmp_path: Path) -> None:
    library = tmp_path / "libfake.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    settings = WorkerSettings(device="auto", edgetpu_library=str(library))
    choice, _ = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert choice.device == "usb"
