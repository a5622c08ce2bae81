"""The way onto an Edge TPU, followed with a stand-in for libedgetpu compiled here."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgescale.device.bench import Bench
from edgescale.device.rig import Rig
from edgescale.errors import (
    DeviceError,
    EdgeTpuBusy,
    EdgeTpuModelCrashed,
    EdgeTpuNotFound,
    EdgeTpuRuntimeMissing,
)
from edgescale.family.store import Family
from edgescale.inference import worker_link
from edgescale.inference.delegate import try_edge_tpu
from edgescale.inference.import_models import ImportSettings, import_family
from edgescale.inference.worker import Worker, WorkerSettings
from tests.edgetpu_double import behave, behave_live, double, needs_compiler, own_locks
from tests.tiny_models import BLUE, GREEN, RED, Tiny, tiny_family, tiny_record

__all__ = ["double", "own_locks"]
pytestmark = needs_compiler

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORAL = DATA / "coral"


@pytest.mark.parametrize("device", ["usb", "usb:0", "auto"])
def test_a_compiled_variant_runs_through_the_delegate(
    tmp_path: Path, double: str, device: str
) -> None:
    record = tiny_record(tmp_path, "tiny", Tiny(background=True), twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device=device, edgetpu_library=double)
    with Worker(family, record, settings=settings) as worker:
        assert (worker.device, worker.device_reason) == (device, "")
        assert worker.runtime_name == "ai_edge_litert"
        found = [worker.classify(frame, bgr=False) for frame in (RED, GREEN, BLUE)]
    assert [inference.class_ids[0] for inference in found] == [0, 1, 2]
    # 250 / 256 is what the stand-in writes; the CPU model would have answered 255 / 256.
    assert {inference.scores[0] for inference in found} == {250 / 256}


@pytest.mark.parametrize("device", ["pci", "usb:1", ":1"])
def test_a_device_that_is_not_there_is_refused(tmp_path: Path, double: str, device: str) -> None:
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    with pytest.raises(EdgeTpuNotFound, match=f"device '{device}'"):
        Worker(family, record, settings=WorkerSettings(device=device, edgetpu_library=double))


@pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {DATA}")
def test_the_real_compiled_models_run_end_to_end(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, latency_ms=3)
    files = sorted((CORAL / "models").glob("mobilenet_v1_*.tflite"))
    family = import_family(
        files, CORAL / "imagenet_labels.txt", tmp_path / "family", settings=ImportSettings()
    )
    settings = WorkerSettings(device="usb", edgetpu_library=double)
    noise = np.random.default_rng(5).integers(0, 256, (2, 240, 320, 3), np.uint8)
    for variant in family.manifest.variants:
        with Worker(family, variant, settings=settings) as worker:
            found = [worker.classify(noise[index], bgr=False) for index in (0, 1, 0)]
        assert found[0].class_ids == found[2].class_ids
        assert found[0].class_ids[0] != found[1].class_ids[0]
        assert min(inference.invoke_ms for inference in found) >= 3
    assert len(family.manifest.variants) == 3


def test_a_transfer_that_fails_is_an_error_and_the_next_picture_works(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    behave_live(monkeypatch, tmp_path / "double.txt", fail_at=2)
    settings = WorkerSettings(device="usb", edgetpu_library=double)
    with Worker(family, record, settings=settings) as worker:
        assert worker.classify(GREEN, bgr=False).class_ids[0] == 1
        with pytest.raises(DeviceError, match="transfer failed"):
            worker.classify(GREEN, bgr=False)
        assert worker.classify(BLUE, bgr=False).class_ids[0] == 2
        behave_live(monkeypatch, tmp_path / "double.txt", fail_at=2, every=1)
        with pytest.raises(DeviceError, match="transfer failed"):
            worker.classify(GREEN, bgr=False)


@pytest.mark.parametrize(("load", "signal"), [("segv", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_library_that_crashes_the_worker_is_named_and_auto_goes_to_the_cpu(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch, load: str, signal: str
) -> None:
    behave(monkeypatch, load=load)
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device="usb", edgetpu_library=double)
    with pytest.raises(EdgeTpuRuntimeMissing) as refusal:
        Worker(family, record, settings=settings)
    for part in (double, signal, "ai_edge_litert", "--edgetpu-library", "--runtime"):
        assert part in str(refusal.value)
    assert f"{double} ended the process with {signal} (" in str(refusal.value)
    assert not isinstance(refusal.value, EdgeTpuModelCrashed)
    with Worker(family, record, settings=replace(settings, device="auto")) as worker:
        assert worker.device == "cpu"
        assert signal in worker.device_reason
        assert worker.classify(GREEN, bgr=False).class_ids[0] == 1


# A runtime that crashes or hangs with one of the compiled models, after the library was loaded.
UNRULY = """
import os, time
from ai_edge_litert.interpreter import Interpreter as Real, load_delegate

class Interpreter(Real):
    def __init__(self, model_path=None, experimental_delegates=None, **others):
        if experimental_delegates and "sly_edgetpu" in model_path:
            {fault}
        super().__init__(model_path, experimental_delegates=experimental_delegates, **others)
"""


def with_a_sly_variant(
    folder: Path, library: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> tuple[Family, WorkerSettings]:
    package = folder / "site" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(UNRULY.format(fault=fault))
    monkeypatch.syspath_prepend(str(folder / "site"))
    records = [tiny_record(folder, name, twin=True) for name in ("sly", "tiny")]
    settings = WorkerSettings("usb", runtime="tflite_runtime", edgetpu_library=library)
    return tiny_family(folder, *records), settings


def test_a_compiled_model_that_crashes_is_named_and_the_others_are_measured(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, settings = with_a_sly_variant(tmp_path, double, monkeypatch, "os.abort()")
    sly, tiny = family.manifest.variants
    with pytest.raises(EdgeTpuModelCrashed, match=r"model of variant 'sly'.*with SIGABRT \("):
        Worker(family, sly, settings=settings)
    with Worker(family, sly, settings=replace(settings, device="auto")) as worker:
        assert worker.device == "cpu"
        assert "'sly'" in worker.device_reason
    for variant, error in ((sly, "EdgeTpuModelCrashed"), (tiny, None)):
        bench = Bench(family, variant, settings, Rig())
        bench.start()
        bench.warm_up(RED, 1)
        bench.close()
        assert bench.measurement().error_kind == error


def test_a_compiled_model_that_hangs_is_named(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, settings = with_a_sly_variant(tmp_path, double, monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(worker_link, "LOAD_TIMEOUT_S", 0.3)
    with pytest.raises(EdgeTpuModelCrashed, match=r"'sly' was not open within 0 s.*double\.so"):
        Worker(family, family.manifest.variants[0], settings=settings)


def test_a_library_that_hangs_the_worker_is_given_up(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, load="hang")
    monkeypatch.setattr(worker_link, "LOAD_TIMEOUT_S", 0.3)
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    with pytest.raises(EdgeTpuRuntimeMissing, match="did not finish loading"):
        Worker(family, record, settings=WorkerSettings(device="usb", edgetpu_library=double))


def test_one_worker_per_edge_tpu_and_auto_does_not_wait_for_it(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, devices=2)
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device="usb", edgetpu_library=double)
    with Worker(family, record, settings=settings):
        with pytest.raises(EdgeTpuBusy, match="'usb:0' is in use by this process"):
            Worker(family, record, settings=replace(settings, device="usb:0"))
        with pytest.raises(EdgeTpuBusy):
            try_edge_tpu("usb", library=double)
        with Worker(family, record, settings=replace(settings, device="usb:1")) as other:
            assert other.classify(GREEN, bgr=False).class_ids[0] == 1
        with Worker(family, record, settings=replace(settings, device="auto")) as other:
            assert other.device == "cpu"
            assert "in use" in other.device_reason
    with Worker(family, record, settings=settings) as again:
        assert again.classify(GREEN, bgr=False).class_ids[0] == 1


def test_auto_that_ends_on_the_cpu_leaves_the_edge_tpu_to_others(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, load="fail", once=tmp_path / "token")
    (tmp_path / "token").touch()
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device="auto", edgetpu_library=double)
    with Worker(family, record, settings=settings) as first:
        assert first.device == "cpu"
        with Worker(family, record, settings=settings) as second:
            assert second.device == "auto"


def test_the_clock_of_the_edge_tpu_is_asked_for(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, latency_ms=2)
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    settings = WorkerSettings(device="usb", edgetpu_library=double, edgetpu_performance="low")
    with Worker(family, record, settings=settings) as worker:
        assert worker.classify(RED, bgr=False).invoke_ms >= 8 * 2  # 62.5 instead of 500 MHz
    with Worker(family, record, settings=replace(settings, edgetpu_performance=None)) as worker:
        assert min(worker.classify(RED, bgr=False).invoke_ms for _ in range(5)) < 8 * 2


def test_an_edge_tpu_costs_no_second_process(tmp_path: Path, double: str) -> None:
    record = tiny_record(tmp_path, "tiny", twin=True)
    family = tiny_family(tmp_path, record)
    started: list[int] = []
    popen = subprocess.Popen.__init__

    def counting(self: subprocess.Popen[bytes], *args: object, **named: object) -> None:
        started.append(1)
        popen(self, *args, **named)  # type: ignore[call-overload]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", counting)
        settings = WorkerSettings(device="usb", edgetpu_library=double)
        with Worker(family, record, settings=settings) as worker:
            child = psutil.Process(worker.pid)
            assert child.children() == []
            # It keeps the lock for itself: it may outlive its parent by a moment.
            fds = Path(f"/proc/{child.pid}/fd").iterdir()
            assert [fd.readlink().name for fd in fds].count("usb-0.lock") == 1
    assert started == [1]
