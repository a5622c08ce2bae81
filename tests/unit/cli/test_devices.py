import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli import devices
from edgescale.cli.devices import Report, edge_tpu_text, report_rows
from edgescale.device.edge_tpus import find_edge_tpus
from edgescale.device.libedgetpu import LibraryReport
from edgescale.device.probe import Machine, pressure, probe
from edgescale.device.thermal import cpu_mhz
from edgescale.inference.delegate import PycoralReport
from edgescale.inference.runtime import RuntimeStatus
from tests.fake_board import raspberry_pi
from tests.fake_root import (
    docker_v2,
    may_open_by_mode,
    opened_by,
    pci_tpu,
    usb_tpu,
)
from tests.fakes import machine

LIBRARY = LibraryReport("libedgetpu.so.1", True, "v", 14, (), None, "libedgetpu.so.1: version 14")


def report_of(root: Path) -> Report:
    return Report(
        machine=probe(root, may_open=may_open_by_mode),
        pressure=pressure(root),
        cpu_mhz=cpu_mhz(root),
        edgetpu_library=LIBRARY,
        runtimes=(RuntimeStatus("ai_edge_litert", "2.3.0", True, "runs the probe model"),),
        pycoral=PycoralReport(False, False, None, "not installed (not needed)"),
        cameras=("/dev/video0",),
    )


def test_the_edge_tpu_comes_first_then_its_library_and_the_runtimes(tmp_path: Path) -> None:
    raspberry_pi(tmp_path)
    usb_tpu(tmp_path)
    docker_v2(tmp_path, limit_bytes=2**29, used_bytes=2**28)
    group = "/sys/fs/cgroup/system.slice/docker-1f2e.scope"
    assert list(report_rows(report_of(tmp_path)))[:-1] == [
        ("Edge TPU", "usb 2-1, 5000 Mbit/s, up to 896 mA, not used since it was plugged in,"
         " /dev/bus/usb/002/003 may be opened"),
        ("Edge TPU library", "libedgetpu.so.1: version 14"),
        ("runtime", "ai_edge_litert 2.3.0: works (runs the probe model)"),
        ("pycoral", "not installed (not needed)"),
        ("board", "Raspberry Pi 4 Model B Rev 1.4"),
        ("system", list(report_rows(report_of(tmp_path)))[5][1]),
        ("cpu", "Raspberry Pi 4 Model B Rev 1.4"),
        ("cores", "4, usable 4, quota 1.5"),
        ("clock", "1500 MHz, at most 1800 MHz"),
        ("governor", "ondemand"),
        ("temperature", "cpu-thermal 48.7 C"),
        ("load", "0.50"),
        ("waiting", "CPU 0.0 %, memory 0.0 %, storage 0.0 % of the last 10 s"),
        ("memory", "4096.00 MiB, available 256.00 MiB"),
        ("swap", "none"),
        (f"limit of {group}", "512.00 MiB, used 256.00 MiB"),
        ("cameras", "/dev/video0"),
    ]  # fmt: skip


def test_a_silent_machine_says_so(tmp_path: Path) -> None:
    rows = dict(report_rows(replace(report_of(tmp_path), machine=machine(), cameras=())))
    assert rows["Edge TPU"] == "none on the USB and PCI buses"
    assert "  what to do" not in rows
    assert [rows[name] for name in ("clock", "temperature", "load", "waiting")] == ["not said"] * 4
    assert rows["cameras"] == "none"
    assert "swap" not in rows


def test_what_is_wrong_points_to_the_doctor(tmp_path: Path) -> None:
    usb_tpu(tmp_path, speed=480)
    rows = dict(report_rows(report_of(tmp_path)))
    assert rows["  note"].startswith("on USB 2")
    assert rows["  what to do"] == "edgescale doctor"
    usb_tpu(other := tmp_path / "other", permitted=False)
    rows = dict(report_rows(report_of(other)))
    assert "cannot be opened by this user" in rows["Edge TPU"]
    assert rows["  what to do"] == "edgescale doctor"


def test_a_board_tells_its_heat_and_who_has_it(tmp_path: Path) -> None:
    pci_tpu(tmp_path)
    opened_by(tmp_path, 4242, "/dev/apex_0")
    (tpu,) = find_edge_tpus(tmp_path, may_open=may_open_by_mode)
    assert edge_tpu_text(tpu) == (
        "pci apex_0, 47.3 C (slows down at 85, 90, 95 C), /dev/apex_0 may be opened,"
        " in use by process 4242"
    )


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch, found: Machine) -> str:
    asked: list[str | None] = []

    def library_report(library: str | None) -> LibraryReport:
        asked.append(library)
        return replace(LIBRARY, message=f"asked {library}")

    monkeypatch.setattr("edgescale.device.libedgetpu.library_report", library_report)
    monkeypatch.setattr(devices, "probe", lambda root: found)
    monkeypatch.setattr(devices, "runtimes_here", lambda: ())
    result = CliRunner().invoke(devices.command, arguments)
    assert result.exit_code == 0
    assert len(asked) == 1
    return result.stdout


def test_foreign_names_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = run([], monkeypatch, machine(board="a\x1b[2J\nboard: b"))
    assert "board: a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}board: b\n" in text


def test_json_has_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raspberry_pi(tmp_path)
    pci_tpu(tmp_path)
    found = probe(tmp_path)
    flags = ["--json", "--edgetpu-library", "mine.so"]
    record = json.loads(run(flags, monkeypatch, found))
    assert record["schema_version"] == 1
    assert record["machine"] == json.loads(json.dumps(asdict(found)))
    assert record["machine"]["edge_tpus"][0]["node"] == "/dev/apex_0"
    assert record["edgetpu_library"]["message"] == "asked mine.so"
    rest = {"pressure", "cpu_mhz", "runtimes", "pycoral", "cameras", "profiles"}
    assert rest < set(record)
