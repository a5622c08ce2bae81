import json
from pathlib import Path

from edgescale.device.probe import Memory, Pressure, pressure, probe
from edgescale.device.profile import profile_from_dict
from tests.fakes import fake_family, machine, profile_of


def empty_memory() -> Memory:
    return Memory(1000, 800)


def test_an_empty_root_gives_none_where_nothing_is_said(tmp_path: Path) -> None:
    found = probe(tmp_path, memory=empty_memory)
    assert (found.board, found.cpu_model, found.governor) == (None, None, None)
    assert found.memory_available_bytes == 800
    assert found.edge_tpus == ()
    assert pressure(tmp_path) == Pressure(None, None, None)


def test_available_memory_is_what_the_tightest_group_leaves(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cgroup.procs").touch()
    (group / "memory.max").write_text("500")
    (group / "memory.current").write_text("450")
    assert probe(tmp_path, memory=empty_memory).memory_available_bytes == 50


def test_reads_board_cpu_governor_and_pressure(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "Coral Dev Board\0",
        "proc/cpuinfo": "processor\t: 0\nCPU part\t: 0xd03\n\nHardware\t: NXP i.MX8MQ\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "proc/pressure/cpu": "some avg10=12.50 avg60=1.00 avg300=0.00 total=42\nfull avg10=0.00\n",
        "proc/loadavg": "1.50 1.00 0.50 1/99 1234\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = probe(tmp_path, memory=empty_memory)
    assert found.board == "Coral Dev Board"
    assert found.cpu_model == "NXP i.MX8MQ"
    assert found.governor == "ondemand"
    assert pressure(tmp_path) == Pressure(12.5, 42, 1.5)


def test_this_machine_survives_a_round_through_json(tmp_path: Path) -> None:
    profile = profile_of(fake_family(tmp_path, {"a": 1}), (), machine=probe())
    assert profile_from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_the_fingerprint_ignores_what_changes_while_the_machine_does_not() -> None:
    same = machine(host="renamed", memory_available_bytes=1, governor="powersave")
    assert same.fingerprint() == machine().fingerprint()
    assert machine(usable_cores=2).fingerprint() != machine().fingerprint()
