import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgescale.errors import (
    DeviceError,
    EdgeTpuRuntimeMissing,
    ModelFileError,
    NotForThisDevice,
    RuntimeMissing,
    WorkerDied,
)
from edgescale.inference import worker_link
from edgescale.inference.worker import Worker, WorkerSettings
from tests.tiny_models import BLUE, GREEN, RED, Tiny, tiny_family, tiny_record

# A runtime that answers like the real one until the picture's first byte tells it to go wrong.
UNRULY = """
import os, time
from {real} import Interpreter as Real, load_delegate

class Interpreter(Real):
    def set_tensor(self, index, value):
        self.first = int(value.reshape(-1)[0])
        super().set_tensor(index, value)

    def invoke(self):
        if self.first == 66:
            os.write(2, b"usb_driver.cc:857] transfer on tag 1 failed. Abort.\\n")
            os.abort()
        if self.first == 77:
            time.sleep(60)
        if self.first == 88:
            raise RuntimeError("transfer failed Node number 1")
        super().invoke()
"""


def child_of(worker: Worker) -> psutil.Process:
    return psutil.Process(worker.pid)


@pytest.fixture
def unruly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the unruly runtime in the place of tflite_runtime."""
    package = tmp_path / "site" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(UNRULY.format(real="ai_edge_litert.interpreter"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "family"


def serving(folder: Path) -> Worker:
    family = tiny_family(folder)
    settings = WorkerSettings(runtime="tflite_runtime")
    return Worker(family, family.manifest.variants[0], settings=settings)


def test_classifies_in_a_child_and_keeps_two_under_way(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        assert worker.runtime_name == "ai_edge_litert"
        assert worker.device == "cpu"
        assert worker.load_ms > 0
        assert child_of(worker).pid != os.getpid()
        assert 2**20 < worker.peak_rss_bytes() < 2**30
        found = worker.predictions(worker.classify(RED, bgr=False))
        assert (found[0].class_id, found[0].label) == (0, "red")
        assert worker.classify(RED, bgr=True).class_ids[0] == 2
        worker.submit(GREEN, bgr=False)
        worker.submit(BLUE, bgr=False)
        with pytest.raises(ValueError, match="take a result first"):
            worker.submit(RED, bgr=False)
        assert [worker.result().class_ids[0] for _ in range(2)] == [1, 2]
        with pytest.raises(ValueError, match="submit one first"):
            worker.result()


def test_the_child_imports_neither_opencv_nor_click_nor_tensorflow(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        maps = Path(f"/proc/{child_of(worker).pid}/maps").read_text()
    assert "litert" in maps
    assert "cv2" not in maps
    assert "tensorflow/python" not in maps
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import edgescale.inference.worker_process\n"
        "print(sorted({'cv2', 'click', 'tensorflow', 'flatbuffers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_closing_ends_the_child_and_leaves_no_descriptors(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    worker = Worker(family, family.manifest.variants[0])
    pid = child_of(worker).pid
    worker.close()
    worker.close()
    assert not psutil.pid_exists(pid)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(WorkerDied, match="closed"):
        worker.submit(RED, bgr=False)


def test_an_aborting_driver_is_named_with_signal_and_last_words(unruly: Path) -> None:
    with serving(unruly) as worker:
        worker.submit(np.full((4, 4, 3), 66, np.uint8), bgr=False)
        with pytest.raises(WorkerDied, match=r"SIGABRT.*transfer on tag 1 failed") as death:
            worker.result()
        assert "\n" not in str(death.value)
        with pytest.raises(WorkerDied):
            worker.submit(RED, bgr=False)


def test_a_hang_is_ended_after_the_timeout(unruly: Path) -> None:
    with serving(unruly) as worker:
        pid = child_of(worker).pid
        worker.submit(np.full((4, 4, 3), 77, np.uint8), bgr=False)
        started = time.monotonic()
        with pytest.raises(WorkerDied, match="no answer to a picture in time"):
            worker.result(timeout_s=0.2)
        assert time.monotonic() - started < 10
        assert not psutil.pid_exists(pid)


def test_a_refused_picture_is_an_error_and_the_next_one_works(unruly: Path) -> None:
    with serving(unruly) as worker:
        worker.submit(np.full((4, 4, 3), 88, np.uint8), bgr=False)
        with pytest.raises(DeviceError, match="transfer failed"):
            worker.result()
        assert worker.classify(GREEN, bgr=False).class_ids[0] == 1


def test_a_child_killed_between_pictures_is_noticed(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        child_of(worker).kill()
        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.classify(RED, bgr=False)


def test_ctrl_c_does_not_reach_the_child(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        child_of(worker).send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert worker.classify(BLUE, bgr=False).class_ids[0] == 2


def test_errors_at_the_start_keep_their_class(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    variant = family.manifest.variants[0]
    with pytest.raises(RuntimeMissing, match="did you mean 'tensorflow'"):
        Worker(family, variant, settings=WorkerSettings(runtime="tensorflo"))
    wrong = replace(variant, preparation=replace(variant.preparation, height=5))
    with pytest.raises(ModelFileError, match=r"takes uint8 \[1, 4, 4, 3\], but the manifest says"):
        Worker(family, wrong)
    with pytest.raises(ModelFileError, match="gives 3 scores, but the manifest says 7"):
        Worker(family, replace(variant, outputs=7))
    with pytest.raises(NotForThisDevice, match="has no compiled model for 'usb'"):
        Worker(family, variant, settings=WorkerSettings(device="usb"))
    with pytest.raises(DeviceError, match="device 'tpu' is not known"):
        Worker(family, variant, settings=WorkerSettings(device="tpu"))


def test_a_compiled_file_in_the_place_of_the_cpu_model_is_refused(tmp_path: Path) -> None:
    record = tiny_record(tmp_path, "sly", Tiny(compiled=True))
    family = tiny_family(tmp_path, record)
    with pytest.raises(NotForThisDevice, match="compiled for the Edge TPU"):
        Worker(family, record)


def test_auto_says_why_it_is_the_cpu_and_usb_does_not_fall_back(tmp_path: Path) -> None:
    record = tiny_record(tmp_path, "both", twin=True)
    family = tiny_family(tmp_path, record)
    auto = WorkerSettings(device="auto", edgetpu_library="libnone.so")
    with Worker(family, record, settings=auto) as worker:
        assert worker.device == "cpu"
        assert "libnone.so" in worker.device_reason
        assert worker.classify(RED, bgr=False).class_ids[0] == 0
    with pytest.raises(EdgeTpuRuntimeMissing, match=r"libnone\.so"):
        Worker(family, record, settings=replace(auto, device="usb"))


def test_without_memfd_an_unlinked_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    family = tiny_family(tmp_path / "family")
    with Worker(family, family.manifest.variants[0]) as worker:
        assert worker.classify(RED, bgr=False).class_ids[0] == 0
        assert list((tmp_path / "temporary").iterdir()) == []


def test_a_child_that_never_gets_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("import time; time.sleep(60)")
    family = tiny_family(tmp_path / "family")
    monkeypatch.setattr(worker_link, "START_TIMEOUT_S", 0.5)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(WorkerDied, match="no answer to the model in time"):
        Worker(family, family.manifest.variants[0])


def test_a_system_without_descriptors_left_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(24, "Too many open files")

    family = tiny_family(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("os.pipe", "os.memfd_create", "subprocess.Popen", "tempfile.TemporaryFile"):
        with monkeypatch.context() as patch:
            patch.setattr(name, lambda *a, **k: refused())
            with pytest.raises(WorkerDied, match=r"cannot be started \(Too many open files\)"):
                Worker(family, family.manifest.variants[0])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_script_needs_no_main_guard_and_its_folder_is_not_searched(tmp_path: Path) -> None:
    family = tiny_family(tmp_path / "family")
    script = tmp_path / "scripts" / "script.py"
    script.parent.mkdir()
    (tmp_path / "json.py").write_text("raise SystemExit('the working folder was searched')")
    script.write_text(
        f"import sys, json; sys.path[:] = {sys.path!r}\n"
        "import numpy as np\n"
        "from edgescale.family.store import load_family\n"
        "from edgescale.inference.worker import Worker\n"
        f"family = load_family({str(family.folder)!r})\n"
        "with Worker(family, family.manifest.variants[0]) as worker:\n"
        "    frame = np.zeros((9, 9, 3), np.uint8); frame[..., 1] = 200\n"
        "    print(json.dumps(worker.classify(frame, bgr=False).class_ids))\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.stdout, run.stderr
    assert json.loads(run.stdout)[0] == 1
