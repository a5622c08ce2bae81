"""The doctor's checks of libraries, runtimes, models and memory."""

from dataclasses import replace

import pytest

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.doctor import diagnose
from edgescale.device.doctor_facts import Facts
from edgescale.device.foreign_child import Told
from edgescale.inference.delegate import PycoralReport
from edgescale.inference.runtime import RuntimeStatus
from tests.doctor_facts import LIBRARY_PATH, MODEL, NO_LIBRARY, board, found, library, software
from tests.doctor_facts import system as plain
from tests.fakes import machine

STICK = plain(board())
GOOGLES = "BuildLabel(COMPILER=6.3.0 20170516,DATE=redacted,TIME=redacted), RuntimeVersion(14)"


def test_a_stick_without_library_says_where_to_get_one() -> None:
    one = found(Facts(STICK, software(library=NO_LIBRARY)))["library"]
    assert one.level == "error"
    assert "github.com/feranick/libedgetpu" in str(one.mend)
    named = found(Facts(STICK, software(library=NO_LIBRARY, library_named=True)))["library"]
    assert "--edgetpu-library" in str(named.mend)


@pytest.mark.parametrize(
    ("refusal", "mend"),
    [
        ("libusb-1.0.so.0: cannot open shared object file", "sudo apt install libusb-1.0-0"),
        ("/lib/libc.so.6: version `GLIBC_2.38' not found", "newer system"),
        ("x.so: invalid ELF header", "no library for aarch64"),
        ("x.so: wrong ELF class: ELFCLASS32", "no library for aarch64"),
        ("x.so: undefined symbol: y", "ldd"),
    ],
)
def test_a_library_that_the_loader_refuses(refusal: str, mend: str) -> None:
    broken = library(version=None, runtime_version=None, devices=(), refusal=refusal)
    one = found(Facts(STICK, software(library=broken)))["library"]
    assert one.level == "error"
    assert mend in str(one.mend)


def test_a_library_that_crashes_or_is_none() -> None:
    crashed = library(version=None, crashed="SIGSEGV while being loaded", said="a\nb")
    one = found(Facts(STICK, software(library=crashed)))["library-crash"]
    assert "SIGSEGV while being loaded" in one.what
    assert one.evidence[1:] == ("a", "b")
    foreign = library(version=None, missing_symbols=("edgetpu_version",))
    one = found(Facts(STICK, software(library=foreign, library_named=True)))["library"]
    assert one.what == f"{LIBRARY_PATH} is not an Edge TPU library."


def test_a_library_that_lists_less_than_the_kernel() -> None:
    said = "Failed to open /sys/class/apex: No such file or directory"
    one = found(Facts(STICK, software(library=library(devices=(), said=said))))["not-listed"]
    assert said in one.evidence
    shut = plain(board(node_there=False))
    assert set(found(Facts(shut, software(library=library(devices=()))))) == {"device-file"}


def test_no_runtime_is_an_error_even_without_edge_tpu() -> None:
    gone = (RuntimeStatus("ai_edge_litert", None, False, "is not installed"),)
    facts = software(library=NO_LIBRARY, runtimes=gone, runtime=None, runtime_problem="none works")
    one = found(Facts(plain(), facts))["runtime"]
    assert one.level == "error"
    assert one.evidence == ("none works", "ai_edge_litert: is not installed")
    assert one.mend == "pip install ai-edge-litert"


def test_a_named_runtime_that_does_not_work_beside_one_that_does() -> None:
    facts = software(runtime=None, runtime_problem="broken", runtime_named="tensorflow")
    one = found(Facts(STICK, facts))["runtime"]
    assert one.what == "The runtime tensorflow does not work."
    assert "leave --runtime tensorflow out" in str(one.mend)


LITERT, TFLITE = ("ai_edge_litert", "2.3.0"), ("tflite_runtime", "2.14.0")


@pytest.mark.parametrize(("numpy", "usable", "runtime", "level"), [
    ("2.4.6", None, LITERT, "warning"), ("2.0.0", False, None, "error"),
    ("2.0.0", False, LITERT, "warning"), ("2.0.0", None, None, "warning"),
    ("2.4.6", True, TFLITE, None), ("2.4.6", None, TFLITE, None), ("2.4.6", True, None, None),
    ("1.26.4", False, None, None),
])  # fmt: skip
def test_tflite_runtime_beside_numpy_2(
    numpy: str, usable: bool | None, runtime: tuple[str, str] | None, level: str | None
) -> None:
    statuses = (RuntimeStatus("tflite_runtime", "2.14.0", usable, "its reason"),)
    facts = software(numpy_version=numpy, runtime=runtime, runtimes=statuses)
    one = found(Facts(STICK, facts)).get("numpy")
    assert (one and one.level) == level
    if one is not None:
        assert one.evidence == (f"tflite-runtime 2.14.0, numpy {numpy}", "its reason")
        assert ("was not tried" in one.what) is (usable is None)
        assert "cannot run" not in one.what


def test_the_strangers_pycoral() -> None:
    stranger = PycoralReport(True, False, "0.2.0", "not Google's")
    one = found(Facts(STICK, software(pycoral=stranger)))["pycoral"]
    assert one.level == "warning"
    assert "pip uninstall pycoral" in str(one.mend)
    google = PycoralReport(True, True, "2.0.3", "Google's")
    assert not found(Facts(STICK, software(pycoral=google)))


def test_a_model_that_needs_a_newer_library() -> None:
    old = library(runtime_version=13, version="RuntimeVersion(13)")
    one = found(Facts(STICK, software(library=old, models=(MODEL,))))["model-runtime"]
    assert one.level == "error"
    assert "runtime 14, this one has 13" in one.what
    assert "edgetpu_compiler -m 13" in str(one.mend)
    fits = replace(MODEL, min_runtime_version=13)
    assert not found(Facts(STICK, software(library=old, models=(fits,))))


def test_a_model_that_cannot_be_read_and_one_for_the_cpu() -> None:
    broken = replace(MODEL, min_runtime_version=None, problem="x: damaged")
    one = found(Facts(STICK, software(models=(broken,))))["model"]
    assert (one.level, one.evidence) == ("error", ("x: damaged",))
    plain_model = replace(MODEL, min_runtime_version=None)
    assert not found(Facts(plain(), software(library=NO_LIBRARY, models=(plain_model,))))


@pytest.mark.parametrize(("runtime", "does"), [
    (TFLITE, "was seen to"), (("tflite_runtime", "2.11.1"), None),
    (("tensorflow", "2.5.0"), None), (LITERT, "may"),
])  # fmt: skip
def test_googles_library_beside_a_newer_runtime(runtime: tuple[str, str], does: str | None) -> None:
    facts = Facts(STICK, software(library=library(version=GOOGLES), runtime=runtime))
    refused = replace(facts, trial=Told({"error": "none", "kind": "EdgeTpuNotFound"}, None, ""))
    for unsure in (facts, refused):
        one = found(unsure).get("known-crash")
        if does is None:
            assert one is None
        else:
            assert one is not None
            assert (one.level, f"{runtime[1]} {does} end the process" in one.what) == (
                "warning", True,
            )  # fmt: skip
            assert str(one.mend).startswith("give doctor a compiled model to try it: ")


def test_googles_library_is_not_doubted_without_edge_tpu_or_where_it_works() -> None:
    googles = software(library=library(version=GOOGLES), runtime=TFLITE)
    facts = Facts(STICK, googles)
    none = software(library=library(version=GOOGLES, devices=()), runtime=TFLITE)
    for sure in (
        Facts(plain(), none),
        replace(facts, trial=Told({"ran": "m.tflite"}, None, "")),
        replace(facts, trial=Told({}, None, "")),
        replace(facts, locked="in use by process 7"),
        Facts(plain(board(runs=("in use by process 7",))), googles),
    ):
        assert "known-crash" not in found(sure)


@pytest.mark.parametrize(("failure", "stderr", "check"), [
    ("SIGSEGV (Segmentation fault)", "", "delegate-crash"),
    ("SIGABRT (Aborted)", "F driver/usb/usb_driver.cc:857] transfer on tag 1", "usb-transfer"),
    ("no answer within 60 s", "", "delegate-hang"),
])  # fmt: skip
def test_a_trial_that_ends_its_process(failure: str, stderr: str, check: str) -> None:
    trial = Told({"step": "loading the model"}, failure, f"INFO: Created\n{stderr}")
    one = found(Facts(STICK, software(), trial))[check]
    assert one.level == "error"
    assert f"{failure} while loading the model" in one.what
    assert one.evidence[0] == f"{LIBRARY_PATH} and ai_edge_litert 2.3.0"
    assert one.evidence[1:] == ((stderr,) if stderr else ())


def test_a_trial_that_is_refused_shows_what_the_library_said() -> None:
    trial = Told({"error": "finds no Edge TPU", "kind": "EdgeTpuNotFound"}, None, "Failed: busy")
    one = found(Facts(STICK, software(), trial))["delegate"]
    assert one.evidence[0] == "Failed to load delegate"
    assert one.evidence[-1] == "Failed: busy"
    other = Told({"error": "undefined symbol", "kind": "EdgeTpuRuntimeMissing"}, None, "")
    assert found(Facts(STICK, software(), other))["delegate"].evidence[0] == "undefined symbol"
    without = Facts(plain(), software(library=library(devices=())), trial)
    assert "delegate" not in found(without)


def test_a_lock_of_another_edgescale_is_said() -> None:
    facts = Facts(STICK, software(), locked="in use by process 7")
    one = next(one for one in diagnose(facts) if one.check == "busy")
    assert (one.level, one.evidence, one.mend) == ("ok", ("in use by process 7",), None)
    tried = replace(facts, trial=Told({}, None, ""))
    assert all(one.check != "busy" for one in diagnose(tried))


def test_little_memory_names_the_limit() -> None:
    limit = MemoryLimit("/sys/fs/cgroup/x", 2**27, 2**26)
    small = machine(memory_available_bytes=2**26, memory_limits=(limit,))
    one = found(Facts(plain(board(), machine=small), software()))["memory"]
    assert one.level == "warning"
    assert one.evidence == (
        "available 64.00 MiB, wanted 150.00 MiB",
        "/sys/fs/cgroup/x: limit 128.00 MiB, used 64.00 MiB",
    )


def test_errors_come_first_and_everything_has_evidence() -> None:
    small = machine(memory_available_bytes=1)
    findings = diagnose(Facts(plain(board(), machine=small), software(library=NO_LIBRARY)))
    assert [one.level for one in findings] == ["error", "warning", "ok", "ok"]
    assert all(one.evidence for one in findings)
    assert all(one.mend for one in findings if one.level != "ok")
