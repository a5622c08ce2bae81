import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.probe import Memory, Pressure, pressure, probe, system_memory
from tests.fake_board import affinity, cpus, meminfo, pressed, raspberry_pi
from tests.fake_root import cgroup_v2, docker_v2, in_groups, link, usb_tpu, write
from tests.fakes import machine


def small_memory() -> Memory:
    return Memory(1000, 800)


def test_an_empty_root_gives_none_where_nothing_is_said(tmp_path: Path) -> None:
    found = probe(tmp_path, memory=small_memory)
    assert (found.board, found.cpu_model, found.governor) == (None, None, None)
    assert (found.swap_total_bytes, found.swap_free_bytes, found.cpu_max_mhz) == (None, None, None)
    assert found.memory_available_bytes == 800
    assert (found.edge_tpus, found.temperatures, found.memory_limits) == ((), (), ())
    assert pressure(tmp_path) == Pressure(None, None, None)


def test_a_raspberry_pi_with_a_stick(tmp_path: Path) -> None:
    raspberry_pi(tmp_path)
    usb_tpu(tmp_path)
    found = probe(tmp_path)
    assert found.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.cpu_model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (found.cores, found.usable_cores, found.governor) == (4, 4, "ondemand")
    assert (found.memory_total_bytes, found.memory_available_bytes) == (4 * 2**30, 3 * 2**30)
    assert (found.swap_total_bytes, found.cpu_max_mhz) == (0, 1800)
    assert [one.celsius for one in found.temperatures] == [48.7]
    assert [tpu.path for tpu in found.edge_tpus] == ["2-1"]
    assert pressure(tmp_path) == Pressure(0.0, 4200, 0.5, 0.0, 0.0)


def test_memory_is_what_the_kernel_below_the_root_says(tmp_path: Path) -> None:
    meminfo(tmp_path, total_bytes=2**31, available_bytes=2**30, swap_total_bytes=2**29,
            swap_free_bytes=2**28)  # fmt: skip
    found = probe(tmp_path, memory=small_memory)
    assert (found.memory_total_bytes, found.memory_available_bytes) == (2**31, 2**30)
    assert (found.swap_total_bytes, found.swap_free_bytes) == (2**29, 2**28)


@pytest.mark.parametrize("text", ["", "MemTotal: x kB\n", "MemTotal: 99 kB\n", "MemTotal\n:::\n",
                                  f"MemTotal: {10**17} kB\nMemAvailable: 1 kB\n"])  # fmt: skip
def test_a_strange_memory_file_is_passed_by(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"proc/meminfo": text})
    assert probe(tmp_path, memory=small_memory).memory_total_bytes == 1000


def test_without_a_memory_file_the_system_is_asked() -> None:
    memory = system_memory()
    assert 0 < memory.available_bytes <= memory.total_bytes


def test_without_proc_sysinfo_still_tells_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def missing() -> None:
        raise FileNotFoundError("/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", missing)
    memory = system_memory()
    assert 0 < memory.available_bytes <= memory.total_bytes


def test_available_memory_is_what_the_tightest_group_leaves(tmp_path: Path) -> None:
    meminfo(tmp_path, available_bytes=2**30)
    docker_v2(tmp_path, limit_bytes=2**29, used_bytes=2**28)
    found = probe(tmp_path)
    assert found.memory_available_bytes == 2**28
    assert found.cpu_quota_cores == 1.5
    write(tmp_path, {"proc/self/cgroup": "0::/full\n"})
    cgroup_v2(tmp_path, "/full", limit_bytes=500, used_bytes=600)
    assert probe(tmp_path).memory_available_bytes == 0


def test_a_container_without_usb_in_its_sysfs_has_its_limits_all_the_same(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/")
    cgroup_v2(tmp_path, limit_bytes=5000, used_bytes=1000)
    found = probe(tmp_path, memory=lambda: Memory(10_000, 9_000))
    assert found.edge_tpus == ()
    assert found.memory_limits == (MemoryLimit("/sys/fs/cgroup", 5000, 1000),)
    assert found.memory_available_bytes == 4000


def test_cores_are_those_of_the_root(tmp_path: Path) -> None:
    affinity(cpus(tmp_path, 6), "1-2")
    found = probe(tmp_path, memory=small_memory)
    assert (found.cores, found.usable_cores) == (6, 2)


@pytest.mark.parametrize(
    ("files", "board"),
    [
        ({"proc/device-tree/model": "Coral Dev Board\0"}, "Coral Dev Board"),
        ({"sys/firmware/devicetree/base/model": "Rock 5\0"}, "Rock 5"),
        ({"sys/class/dmi/id/product_name": "NUC8i3BEH\n"}, "NUC8i3BEH"),
        ({"sys/class/dmi/id/product_name": "To Be Filled By O.E.M.\n",
          "sys/class/dmi/id/board_name": "J3455-ITX\n"}, "J3455-ITX"),
        ({"sys/class/dmi/id/product_name": "Default string\n"}, None),
        ({"sys/class/dmi/id/product_name": "x" * 10_000}, "x" * 200),
        ({"sys/class/dmi/id/product_name": b"\xff\n"}, "\N{REPLACEMENT CHARACTER}"),
    ],
)  # fmt: skip
def test_the_board_is_named_by_device_tree_or_dmi(
    tmp_path: Path, files: dict[str, str | bytes], board: str | None
) -> None:
    assert probe(write(tmp_path, files), memory=small_memory).board == board


def test_an_arm_processor_is_named_by_what_its_kernel_writes(tmp_path: Path) -> None:
    text = "processor\t: 0\nCPU part\t: 0xd03\n\nHardware\t: NXP i.MX8MQ\n"
    found = probe(write(tmp_path, {"proc/cpuinfo": text}), memory=small_memory)
    assert found.cpu_model == "NXP i.MX8MQ"


def test_pressure_is_that_on_cpu_memory_and_storage(tmp_path: Path) -> None:
    pressed(tmp_path, cpu=12.5, memory=3.25, io=0.5)
    write(tmp_path, {"proc/loadavg": "1.50 1.00 0.50 1/99 1234\n"})
    assert pressure(tmp_path) == Pressure(12.5, 4200, 1.5, 3.25, 0.5)


@pytest.mark.parametrize("text", ["some", "some avg10=nan total=-1", "avg10=1", "some =", "\0"])
def test_strange_pressure_is_none(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"proc/pressure/cpu": text, "proc/pressure/io": text, "proc/loadavg": "inf"})
    assert pressure(tmp_path) == Pressure(None, None, None)


def test_a_root_full_of_loops_and_folders_does_not_crash(tmp_path: Path) -> None:
    for name in ("proc/meminfo", "proc/cpuinfo", "proc/self/cgroup", "sys/fs/cgroup",
                 "sys/class/apex", "sys/class/thermal", "dev/apex_0"):  # fmt: skip
        link(tmp_path, name, Path(name).name)
    for name in ("proc/device-tree/model", "proc/self/status", "proc/pressure/cpu",
                 "sys/devices/system/cpu/online", "sys/class/hwmon/hwmon0/name"):  # fmt: skip
        (tmp_path / name).mkdir(parents=True)
    assert probe(tmp_path, memory=small_memory).board is None
    assert pressure(tmp_path) == Pressure(None, None, None)


def test_the_fingerprint_ignores_what_changes_while_the_machine_does_not() -> None:
    same = machine(host="renamed", memory_available_bytes=1, governor="powersave",
                   swap_total_bytes=1, swap_free_bytes=1)  # fmt: skip
    assert same.fingerprint() == machine().fingerprint()
    assert machine(usable_cores=2).fingerprint() != machine().fingerprint()


def test_the_fingerprint_tells_little_cores_from_big_ones(tmp_path: Path) -> None:
    cpus(tmp_path, 2, max_mhz=1500)
    cpus(tmp_path, 2, first=2, max_mhz=2400)
    affinity(tmp_path, "0-1")
    little = probe(tmp_path, memory=small_memory)
    affinity(tmp_path, "2-3")
    big = probe(tmp_path, memory=small_memory)
    assert little.fingerprint() != big.fingerprint()
    assert replace(little, cpu_max_mhz=2400.0).fingerprint() == big.fingerprint()


def test_a_look_at_a_board_opens_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raspberry_pi(tmp_path)
    usb_tpu(tmp_path)
    docker_v2(tmp_path, limit_bytes=2**29, used_bytes=2**28)
    opened: list[Path] = []

    def counted(path: Path, flags: int) -> int:
        opened.append(path)
        return real(path, flags)

    real = os.open
    monkeypatch.setattr(os, "open", counted)
    probe(tmp_path)
    assert 20 < len(opened) < 80  # 20 us each, so that the whole look takes 1-2 ms
