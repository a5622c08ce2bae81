"""The way onto an Edge TPU, followed with a stand-in for libedgetpu compiled here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgescale.errors import EdgeTpuNotFound
from edgescale.inference.worker import Worker, WorkerSettings
from tests.tiny_models import BLUE, GREEN, RED, Tiny, tiny_family, tiny_record

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile a library")

SOURCE = Path(__file__).parents[2] / "fake_edgetpu.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("library") / "libfake.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    return str(path)


@pytest.mark.parametrize("device", ["usb", "usb:0", "auto"])
def test_a_compiled_variant_runs_through_the_delegate(
    tmp_path: Path, library: str, device: str
) -> None:
    record = tiny_record(tmp_path, "tiny", Tiny(background=True), twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device=device, edgetpu_library=library)
    with Worker(family, record, settings=settings) as worker:
        assert (worker.device, worker.device_reason) == (device, "")
        assert worker.runtime_name == "ai_edge_litert"
        found = [worker.classify(frame, bgr=False) for frame in (RED, GREEN, BLUE)]
    assert [inference.class_ids[0] for inference in found] == [0, 1, 2]
    # 250 / 256 is what the stand-in writes; the CPU model would have answered 255 / 256.
    assert {inference.scores[0] for inference in found} == {250 / 256}


def test_a_device_that_is_not_there_is_refused(tmp_path: Path, library: str) -> None:
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    with pytest.raises(EdgeTpuNotFound, match="device 'pci'"):
        Worker(family, record, settings=WorkerSettings(device="pci", edgetpu_library=library))
