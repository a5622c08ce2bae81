import os
from pathlib import Path

import pytest

from edgescale.device.cores import governor, online_cores, usable_cores
from tests.fake_board import affinity, cpus
from tests.fake_root import write


def test_a_core_is_usable_if_it_runs_and_this_process_may_have_it(tmp_path: Path) -> None:
    affinity(cpus(tmp_path, 4), "1-2,7")
    assert online_cores(tmp_path) == {0, 1, 2, 3}
    assert usable_cores(tmp_path) == {1, 2}


def test_a_silent_root_leaves_the_cores_that_python_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == online_cores(tmp_path) == set(range(os.cpu_count() or 1))


def test_on_this_machine_the_system_call_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7}, raising=False)
    assert usable_cores(Path("/")) == {7}


@pytest.mark.parametrize("text", ["", "junk", "1-", "3-1", "0-999999999999", ",", "-1"])
def test_a_strange_list_of_cores_leaves_some_core(tmp_path: Path, text: str) -> None:
    affinity(cpus(tmp_path, 2), text)
    assert usable_cores(tmp_path) == {0, 1}
    write(tmp_path, {"sys/devices/system/cpu/online": text})
    assert usable_cores(tmp_path)


def test_one_governor_is_named_and_several_with_their_cores(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    cpus(tmp_path, 4, governor="powersave")
    cpus(tmp_path, 2, first=4, governor="performance")
    assert governor(tmp_path) == "powersave (0-3), performance (4-5)"
    affinity(tmp_path, "4-5")
    assert governor(tmp_path) == "performance"
    affinity(tmp_path, "0,2,4")
    assert governor(tmp_path) == "powersave (0,2), performance (4)"
