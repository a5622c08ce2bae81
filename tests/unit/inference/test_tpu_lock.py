"""The lock of an Edge TPU: who has it, for how long, and which device strings mean the same one."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgescale.errors import DeviceError, EdgeTpuBusy
from edgescale.inference.tpu_lock import lock_edge_tpu, lock_name

HOLDER = """
import sys; sys.path[:] = {path!r}
import tempfile; tempfile.tempdir = {folder!r}
import time
from edgescale.inference.tpu_lock import lock_edge_tpu
lock = lock_edge_tpu("usb")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"edgescale-{os.getuid()}"


@pytest.mark.parametrize(
    ("device", "on_pci", "name"),
    [
        ("usb", 0, "usb-0"), ("usb:0", 0, "usb-0"), ("usb:1", 0, "usb-1"), ("pci", 0, "pci-0"),
        ("auto", 0, "usb-0"), (":0", 0, "usb-0"), (":1", 0, "usb-1"),
        ("auto", 2, "pci-0"), (":1", 2, "pci-1"), (":2", 2, "usb-0"), ("usb", 2, "usb-0"),
    ],
)  # fmt: skip
def test_one_name_for_each_edge_tpu(tmp_path: Path, device: str, on_pci: int, name: str) -> None:
    for number in range(on_pci):
        (tmp_path / f"sys/class/apex/apex_{number}").mkdir(parents=True)
    assert lock_name(device, tmp_path) == name


def test_a_lock_is_had_once_and_its_folder_is_private(own_folder: Path, tmp_path: Path) -> None:
    lock = lock_edge_tpu("usb", tmp_path)
    with pytest.raises(EdgeTpuBusy, match="'auto' is in use by this process"):
        lock_edge_tpu("auto", tmp_path)
    os.close(lock_edge_tpu("usb:1", tmp_path))
    os.close(lock)
    os.close(lock_edge_tpu("auto", tmp_path))
    assert own_folder.stat().st_mode & 0o777 == 0o700


def test_another_process_is_named_and_its_end_however_violent_frees_the_lock(
    tmp_path: Path,
) -> None:
    code = HOLDER.format(path=sys.path, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(EdgeTpuBusy, match=f"in use by process {holder.pid},"):
            lock_edge_tpu("usb:0", tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.close(lock_edge_tpu("usb:0", tmp_path))


def test_a_lock_outlives_whoever_took_it_while_an_heir_has_it(tmp_path: Path) -> None:
    lock = lock_edge_tpu("usb", tmp_path)
    heir = os.dup(lock)
    os.close(lock)
    with pytest.raises(EdgeTpuBusy):
        lock_edge_tpu("usb", tmp_path)
    os.close(heir)
    os.close(lock_edge_tpu("usb", tmp_path))


def test_a_place_that_cannot_be_trusted_or_written_is_refused(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_folder.mkdir()
    (own_folder / "usb-0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceError, match=r"usb-0\.lock.*cannot be opened"):
        lock_edge_tpu("usb", tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(DeviceError, match=f"belongs to user {os.geteuid()}"):
        lock_edge_tpu("usb", tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match="set TMPDIR"):
        lock_edge_tpu("usb", tmp_path)
