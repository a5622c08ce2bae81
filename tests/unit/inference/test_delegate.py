import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgescale.errors import DeviceError, EdgeTpuNotFound, EdgeTpuRuntimeMissing
from edgescale.inference import delegate
from edgescale.inference.delegate import (
    EdgeTpuSettings,
    check_device,
    load_edgetpu_delegate,
    pycoral_report,
    try_edge_tpu,
)
from edgescale.inference.runtime import choose_runtime

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile a library")

SEGFAULTS = "__attribute__((constructor)) static void start(void) { *(volatile int *)0 = 1; }"
NO_DELEGATE = "int nothing_of_interest(void) { return 0; }"
NO_DEVICE = """
void *tflite_plugin_create_delegate(char **k, char **v, unsigned n, void (*report)(const char *)) {
  return 0;
}
void tflite_plugin_destroy_delegate(void *delegate) {}
"""
HANGS = """
#include <unistd.h>
__attribute__((constructor)) static void start(void) { sleep(60); }
"""


def library(folder: Path, source: str) -> str:
    path = folder / "libfake.so"
    (folder / "fake.c").write_text(source)
    command = ["gcc", "-shared", "-fPIC", "-o", str(path), str(folder / "fake.c")]
    subprocess.run(command, check=True, timeout=60)
    return str(path)


@pytest.mark.parametrize("text", ["cpu", "auto", "usb", "pci", "usb:0", "pci:1", ":0", ":12"])
def test_knows_the_device_strings_of_pycoral(text: str) -> None:
    assert check_device(text) == text


@pytest.mark.parametrize("text", ["", "USB", "usb:", "usb:x", "gpu", "0", "usb:0 ", "usb:100"])
def test_refuses_other_device_strings(text: str) -> None:
    with pytest.raises(DeviceError, match="give auto, cpu, usb, pci, usb:<N>"):
        check_device(text)


def test_a_missing_library_says_how_to_get_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EdgeTpuRuntimeMissing, match=r"libnone\.so.*libedgetpu1-std"):
        load_edgetpu_delegate(choose_runtime(), "usb", EdgeTpuSettings("libnone.so"))
    assert "Delegate" not in capfd.readouterr().err


@needs_gcc
def test_a_library_that_crashes_is_named_with_the_runtime_and_the_mend(tmp_path: Path) -> None:
    path = library(tmp_path, SEGFAULTS)
    with pytest.raises(EdgeTpuRuntimeMissing) as refusal:
        try_edge_tpu("usb", runtime="ai_edge_litert", library=path)
    for part in (path, "SIGSEGV", "ai_edge_litert", "--edgetpu-library", "--runtime"):
        assert part in str(refusal.value)


@needs_gcc
def test_a_library_that_is_no_delegate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeTpuRuntimeMissing, match="not an Edge TPU library"):
        try_edge_tpu("usb", library=library(tmp_path, NO_DELEGATE))


@needs_gcc
def test_a_library_without_a_device_is_another_error(tmp_path: Path) -> None:
    with pytest.raises(
        EdgeTpuNotFound, match=r"no Edge TPU for device 'usb:1'; 'edgescale doctor'"
    ):
        try_edge_tpu("usb:1", library=library(tmp_path, NO_DEVICE))


@needs_gcc
def test_a_library_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "LOAD_TIMEOUT_S", 1.0)
    with pytest.raises(EdgeTpuRuntimeMissing, match="did not finish loading"):
        try_edge_tpu("usb", library=library(tmp_path, HANGS))


@needs_gcc
@pytest.mark.parametrize("source", [None, NO_DELEGATE, NO_DEVICE])
def test_a_half_made_delegate_makes_no_noise(tmp_path: Path, source: str | None) -> None:
    path = "libnone.so" if source is None else library(tmp_path, source)
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from edgescale.inference.runtime import choose_runtime\n"
        "from edgescale.inference.delegate import _loaded\n"
        "runtime = choose_runtime()\n"
        f"try: _loaded(lambda: runtime.load_delegate({path!r}, {{}}), 'x', 'usb')\n"
        "except Exception as problem: print(type(problem).__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.startswith("EdgeTpu")
    assert "Exception ignored" not in run.stderr
    assert "Traceback" not in run.stderr


def test_no_pycoral_is_no_problem() -> None:
    report = pycoral_report()
    assert (report.installed, report.google) == (False, False)


def test_the_strangers_pycoral_is_recognised_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pycoral").mkdir()
    (tmp_path / "pycoral" / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "pycoral" / "pycoral.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    report = pycoral_report()
    assert (report.installed, report.google) == (True, False)
    assert "not Google's pycoral" in report.message
    assert "pip uninstall pycoral" in report.message


def test_googles_pycoral_is_recognised_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pycoral" / "utils").mkdir(parents=True)
    (tmp_path / "pycoral" / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "pycoral" / "utils" / "edgetpu.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert pycoral_report().google
