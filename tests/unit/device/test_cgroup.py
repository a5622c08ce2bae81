from pathlib import Path

import pytest

from edgescale.device.cgroup import MemoryLimit, cpu_quota, memory_limits


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_an_empty_machine_has_no_limits(tmp_path: Path) -> None:
    assert memory_limits(tmp_path) == ()
    assert cpu_quota(tmp_path) is None


def test_version_2_reads_the_limit_of_every_ancestor(tmp_path: Path) -> None:
    top = "sys/fs/cgroup"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            f"{top}/cgroup.procs": "",
            f"{top}/a/memory.max": "1000\n",
            f"{top}/a/memory.current": "400\n",
            f"{top}/a/memory.stat": "anon 1\ninactive_file 150\n",
            f"{top}/a/cpu.max": "150000 100000\n",
            f"{top}/a/b/memory.max": "max\n",
            f"{top}/a/b/memory.current": "300\n",
            f"{top}/a/b/cpu.max": "max 100000\n",
        },
    )
    assert memory_limits(root) == (MemoryLimit("/sys/fs/cgroup/a", 1000, 250),)
    assert cpu_quota(root) == 1.5


def test_version_1_reads_limits_and_quota_and_knows_no_limit(tmp_path: Path) -> None:
    memory, cpu = "sys/fs/cgroup/memory", "sys/fs/cgroup/cpu,cpuacct"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/job\n2:cpu,cpuacct:/job\n",
            f"{memory}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{memory}/memory.usage_in_bytes": "5000\n",
            f"{memory}/job/memory.limit_in_bytes": "2000\n",
            f"{memory}/job/memory.usage_in_bytes": "500\n",
            f"{cpu}/job/cpu.cfs_quota_us": "50000\n",
            f"{cpu}/job/cpu.cfs_period_us": "100000\n",
            f"{cpu}/cpu.cfs_quota_us": "-1\n",
            f"{cpu}/cpu.cfs_period_us": "100000\n",
        },
    )
    assert memory_limits(root) == (MemoryLimit("/sys/fs/cgroup/memory/job", 2000, 500),)
    assert cpu_quota(root) == 0.5


@pytest.mark.parametrize("line", ["", "junk", "4:memory", "0::/../../../etc", ":::"])
def test_a_strange_group_file_does_not_crash(tmp_path: Path, line: str) -> None:
    files = {"proc/self/cgroup": line, "sys/fs/cgroup/cgroup.procs": ""}
    assert memory_limits(write(tmp_path, files)) == ()
