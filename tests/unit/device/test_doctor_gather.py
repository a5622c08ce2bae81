"""The doctor's facts from files below a fake root, and its trial of the delegate."""

import os
import shutil
from pathlib import Path

import pytest

from edgescale.device.doctor_facts import Facts, System
from edgescale.device.doctor_gather import Asked, gather, look_at
from edgescale.device.doctor_models import models_at
from edgescale.device.doctor_trial import try_delegate
from edgescale.device.probe import probe
from edgescale.errors import ManifestError
from edgescale.inference.tpu_lock import lock_edge_tpu
from tests.doctor_facts import found, software
from tests.edgetpu_double import behave, double
from tests.fake_root import (
    OFF_THE_BUS_MILLI_C,
    may_open_by_mode,
    opened_by,
    pci_tpu,
    usb_device,
    usb_tpu,
    write,
)
from tests.tiny_models import tiny_family, tiny_record
from tests.tiny_packages import TinyPackage, compiled_tflite, options_bytes, package_bytes

__all__ = ["double"]


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what else runs on this machine with a double from being in the way."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def looked(root: Path) -> System:
    return look_at(probe(root, may_open=may_open_by_mode), root)


def checks(root: Path) -> set[str]:
    return set(found(Facts(looked(root), software())))


def test_a_healthy_stick_and_board_have_no_findings(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=True)
    pci_tpu(tmp_path)
    system = looked(tmp_path)
    assert [board.tpu.bus for board in system.boards] == ["pci", "usb"]
    assert system.boards[0].sensor_c == 47.3
    assert str(system.boards[1].node_text).startswith("/dev/bus/usb/002/003 is ")
    assert (system.usb_devices, system.usb_nodes, system.usb_bus) == (1, 1, True)
    assert system.container is None
    assert not checks(tmp_path)


def test_a_container_that_sees_the_stick_and_not_its_file(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=True, node=False)
    write(tmp_path, {".dockerenv": ""})
    assert looked(tmp_path).container == "/.dockerenv is there"
    assert checks(tmp_path) == {"device-file"}


def test_a_stick_passed_alone_before_its_firmware(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=False)
    assert not checks(tmp_path)
    usb_device(tmp_path, "1-1", ("046d", "c52b"), number=2)
    assert checks(tmp_path) == {"first-use"}


@pytest.mark.parametrize("mark", ["docker", "kubepods"])
def test_a_container_is_told_by_its_control_group(tmp_path: Path, mark: str) -> None:
    write(tmp_path, {"proc/1/cgroup": f"0::/{mark}/abc\n"})
    assert looked(tmp_path).container == f"/proc/1/cgroup says 0::/{mark}/abc"


def test_a_stick_that_only_root_may_open(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=True, permitted=False)
    write(tmp_path, {"usr/lib/udev/rules.d/60-x.rules": 'ATTRS{idVendor}=="1a6e"\n'})
    assert looked(tmp_path).udev_rule == "/usr/lib/udev/rules.d/60-x.rules"
    assert checks(tmp_path) == {"permission"}


def test_a_device_file_that_the_system_forbids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb_tpu(tmp_path, firmware=True)

    def forbidden(path: Path, flags: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    system_open = os.open
    monkeypatch.setattr(
        os, "open",
        lambda path, flags, *rest: forbidden(path, flags)
        if "dev/bus" in str(path) else system_open(path, flags, *rest),
    )  # fmt: skip
    (board,) = looked(tmp_path).boards
    assert board.refusal == "Operation not permitted"


def test_a_busy_stick_names_its_process(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=True)
    opened_by(tmp_path, 1234, "/dev/bus/usb/002/003")
    opened_by(tmp_path, os.getpid(), "/dev/bus/usb/002/003")
    write(tmp_path, {"proc/1234/cmdline": "python3\0server.py\0"})
    (board,) = looked(tmp_path).boards
    assert board.users == ("1234 (python3 server.py)",)
    assert checks(tmp_path) == {"busy"}


def test_a_stick_in_use_by_edgescale_is_as_it_should_be(tmp_path: Path) -> None:
    usb_tpu(tmp_path, firmware=True)
    opened_by(tmp_path, 1234, "/dev/bus/usb/002/003")
    worker = "python3\0-c\0import sys\0/usr/lib\0edgescale.inference.worker_process\0{}\0"
    write(tmp_path, {"proc/1234/cmdline": worker})
    (board,) = looked(tmp_path).boards
    node = "/dev/bus/usb/002/003 is open in process"
    assert board.runs == (f"{node} 1234 (edgescale.inference.worker_process)",)
    lock = lock_edge_tpu("usb")
    try:
        (board,) = looked(tmp_path).boards
        assert not checks(tmp_path)
        opened_by(tmp_path, 77, "/dev/bus/usb/002/003")
        assert checks(tmp_path) == {"busy"}
        (shared,) = looked(tmp_path).boards
    finally:
        os.close(lock)
    held = "Edge TPU 'usb' is in use by this process, and only one process can use it"
    assert (board.users, board.runs[0]) == ((), held)
    assert (shared.users, shared.runs[0]) == (("77 (?)",), held)


def test_the_next_stick_is_tried_where_the_first_is_in_use(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, devices=2)
    root = tmp_path / "root"
    usb_tpu(root, "2-1", firmware=True)
    usb_tpu(root, "2-2", number=4)
    said: list[str] = []
    lock = lock_edge_tpu("usb")
    try:
        facts = gather(Asked(library=double), root=root, notice=said.append)
    finally:
        os.close(lock)
    assert facts.trial is not None
    assert (facts.trial.facts.get("error"), facts.trial.facts["device"]) == (None, "usb:1")
    assert said == ["trying the Edge TPU usb 2-2 (up to 60 s) ..."]
    assert "busy" not in found(facts)
    gather(Asked(library=double), root=root, notice=said.append)
    assert said[1] == "trying the Edge TPU usb 2-1 (up to 25 s) ..."


def test_no_place_for_locks_is_not_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usb_tpu(tmp_path, firmware=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert not checks(tmp_path)


def test_boards_without_driver_off_the_bus_and_hot(tmp_path: Path) -> None:
    pci_tpu(tmp_path / "a", apex=None)
    assert checks(tmp_path / "a") == {"driver"}
    pci_tpu(tmp_path / "b", milli_c=OFF_THE_BUS_MILLI_C)
    assert checks(tmp_path / "b") == {"fell-off-bus"}
    pci_tpu(tmp_path / "c", milli_c=91_000)
    assert checks(tmp_path / "c") == {"too-hot"}
    pci_tpu(tmp_path / "d", node=False)
    assert checks(tmp_path / "d") == {"device-file"}


def test_the_trial_tells_how_far_it_came(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model_edgetpu.tflite"
    record = tiny_record(tmp_path, "tiny", twin=True)
    assert record.compiled is not None
    shutil.copy(tmp_path / record.compiled.path, model)
    told = try_delegate("ai_edge_litert", double, str(model))
    assert (told.facts["ran"], told.failure) == (str(model), None)
    behave(monkeypatch, load="fail")
    told = try_delegate("ai_edge_litert", double, None)
    assert told.facts["kind"] == "EdgeTpuNotFound"
    assert "Failed allocating Edge TPU device" in told.stderr
    behave(monkeypatch, abort_at=1)
    told = try_delegate("ai_edge_litert", double, str(model))
    assert told.failure == "SIGABRT (Aborted)"
    assert told.facts["step"] == "running the model"
    behave(monkeypatch, load="hang")
    told = try_delegate("ai_edge_litert", double, None, timeout_s=2.0)
    assert told.failure == "no answer within 2 s"


def test_a_stick_in_use_is_not_tried(tmp_path: Path, double: str) -> None:
    root = tmp_path / "root"
    write(root, {"proc/loadavg": ""})
    lock = lock_edge_tpu("usb")
    try:
        facts = gather(Asked(library=double), root=root)
    finally:
        os.close(lock)
    assert facts.trial is None
    assert facts.locked == (
        "Edge TPU 'auto' is in use by this process, and only one process can use it"
    )
    usb_tpu(root, firmware=True)
    opened_by(root, 1234, "/dev/bus/usb/002/003")
    taken = gather(Asked(library=double), root=root)
    assert (taken.trial, taken.locked) == (None, None)


def test_the_most_demanding_model_speaks_for_a_family(tmp_path: Path) -> None:
    records = [tiny_record(tmp_path, name, twin=True) for name in ("a", "b", "c")]
    tiny_family(tmp_path, *records)
    for record, least in zip(records, (12, 14, 13), strict=True):
        assert record.compiled is not None
        package = options_bytes(package_bytes(TinyPackage(min_runtime=least)))
        (tmp_path / record.compiled.path).write_bytes(compiled_tflite(package))
    (model,) = models_at(tmp_path)
    assert (Path(model.path).name, model.min_runtime_version) == (
        Path(str(records[1].compiled and records[1].compiled.path)).name, 14,
    )  # fmt: skip
    assert not model.named
    (tmp_path / str(records[2].compiled and records[2].compiled.path)).write_bytes(b"damaged")
    assert [one.problem is None for one in models_at(tmp_path)] == [False, True]


def test_a_folder_without_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no manifest\.json here"):
        gather(Asked(tmp_path))
