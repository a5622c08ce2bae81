from pathlib import Path

from edgescale.device.thermal import Temperature, cpu_max_mhz, cpu_mhz, temperatures
from tests.fake_board import affinity, cpus, hwmon, raspberry_pi, thermal_zone
from tests.fake_root import link, write


def test_an_empty_root_is_silent(tmp_path: Path) -> None:
    assert temperatures(tmp_path) == ()
    assert cpu_mhz(tmp_path) is cpu_max_mhz(tmp_path) is None


def test_a_raspberry_pi_tells_its_heat_and_clock(tmp_path: Path) -> None:
    raspberry_pi(tmp_path)
    assert temperatures(tmp_path) == (Temperature("cpu-thermal", 48.7),)
    assert (cpu_mhz(tmp_path), cpu_max_mhz(tmp_path)) == (1500, 1800)


def test_zones_come_in_order_and_before_monitors(tmp_path: Path) -> None:
    thermal_zone(tmp_path, 10, "gpu", 41_000)
    thermal_zone(tmp_path, 2, "cpu", 40_000)
    sensors = {"temp1_input": "55000", "temp1_label": "Package", "temp2_input": "54000", "in0": "1"}
    hwmon(tmp_path, 0, "coretemp", sensors)
    names = [(one.name, one.celsius) for one in temperatures(tmp_path)]
    assert names == [
        ("cpu", 40.0),
        ("gpu", 41.0),
        ("coretemp Package", 55.0),
        ("coretemp temp2", 54.0),
    ]


def test_a_monitor_of_a_thermal_zone_is_not_told_twice(tmp_path: Path) -> None:
    thermal_zone(tmp_path, 0, "cpu_thermal", 48_000)
    hwmon(tmp_path, 0, "cpu_thermal", {"temp1_input": 48_000})
    link(tmp_path, "sys/class/hwmon/hwmon0/device", "../../thermal/thermal_zone0")
    assert temperatures(tmp_path) == (Temperature("cpu_thermal", 48.0),)


def test_nonsense_is_left_out(tmp_path: Path) -> None:
    for number, text in enumerate(("-274000", "200000", "", "hot", "9" * 100, "4.5e4")):
        thermal_zone(tmp_path, number, "cpu", text)
    assert temperatures(tmp_path) == ()


def test_clocks_are_those_of_the_cores_this_process_may_use(tmp_path: Path) -> None:
    cpus(tmp_path, 4, mhz=1400, max_mhz=1500)
    cpus(tmp_path, 2, first=4, mhz=2000, max_mhz=2400)
    assert (cpu_mhz(tmp_path), cpu_max_mhz(tmp_path)) == (1600, 2400)
    affinity(tmp_path, "0-3")
    assert (cpu_mhz(tmp_path), cpu_max_mhz(tmp_path)) == (1400, 1500)


def test_without_cpufreq_the_clock_is_what_cpuinfo_says(tmp_path: Path) -> None:
    clocks = ("2000.5", "nan", "3000.5", "9")
    cores = [f"processor\t: {core}\ncpu MHz\t: {mhz}\n" for core, mhz in enumerate(clocks)]
    write(tmp_path, {"proc/cpuinfo": "\n".join(cores), "sys/devices/system/cpu/online": "0-3\n"})
    affinity(tmp_path, "0-2")
    assert cpu_mhz(tmp_path) == 2500.5
    assert cpu_max_mhz(tmp_path) is None
