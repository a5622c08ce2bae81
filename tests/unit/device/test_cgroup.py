from pathlib import Path

import pytest

from edgescale.device.cgroup import MemoryLimit, cpu_quota, memory_limits
from tests.fake_root import (
    cgroup_v1,
    cgroup_v2,
    docker_v1,
    docker_v2,
    in_groups,
    link,
    mounted,
    write,
)

V2 = "/sys/fs/cgroup"


def test_an_empty_machine_has_no_limits(tmp_path: Path) -> None:
    assert memory_limits(tmp_path) == ()
    assert cpu_quota(tmp_path) is None


def test_version_2_reads_the_limit_of_every_ancestor(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/a/b/c")
    mounted(tmp_path, ("/", V2, "cgroup2"))
    cgroup_v2(tmp_path, "/a", limit_bytes=1000, used_bytes=400, droppable_bytes=150)
    cgroup_v2(tmp_path, "/a/b", limit_bytes=700, used_bytes=300, quota_cores=1.5)
    cgroup_v2(tmp_path, "/a/b/c", used_bytes=200, quota_cores=3)
    cgroup_v2(tmp_path, "/other", limit_bytes=1, used_bytes=1, quota_cores=0.1)
    assert memory_limits(tmp_path) == (
        MemoryLimit(f"{V2}/a/b", 700, 300),
        MemoryLimit(f"{V2}/a", 1000, 250),
    )
    assert cpu_quota(tmp_path) == 1.5


def test_version_2_counts_the_limit_above_which_the_kernel_stalls(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/a")
    folder = cgroup_v2(tmp_path, "/a", limit_bytes=1000, used_bytes=100)
    write(folder, {"memory.high": "600\n"})
    assert memory_limits(tmp_path) == (MemoryLimit(f"{V2}/a", 600, 100),)


def test_docker_on_its_host_is_limited_by_its_parent(tmp_path: Path) -> None:
    docker_v2(tmp_path, limit_bytes=2**29, used_bytes=2**28)
    group = f"{V2}/system.slice/docker-1f2e.scope"
    assert memory_limits(tmp_path) == (MemoryLimit(group, 2**29, 2**28),)
    assert cpu_quota(tmp_path) == 1.5


def test_a_cgroup_namespace_shows_the_own_group_as_the_top(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/")
    mounted(tmp_path, ("/", V2, "cgroup2"))
    cgroup_v2(tmp_path, limit_bytes=5000, used_bytes=1000, quota_cores=2)
    assert memory_limits(tmp_path) == (MemoryLimit(V2, 5000, 1000),)
    assert cpu_quota(tmp_path) == 2


@pytest.mark.parametrize("group", ["/../../other/task", "/not/here", "/a/../../b"])
def test_a_group_out_of_sight_leaves_the_top_of_the_mount(tmp_path: Path, group: str) -> None:
    in_groups(tmp_path, f"0::{group}")
    cgroup_v2(tmp_path, limit_bytes=5000, used_bytes=1000)
    cgroup_v2(tmp_path, "/task", limit_bytes=1, mount="/sys/other")
    assert memory_limits(tmp_path) == (MemoryLimit(V2, 5000, 1000),)


def test_version_1_reads_every_ancestor_and_knows_no_limit(tmp_path: Path) -> None:
    in_groups(tmp_path, "4:memory:/job/task", "2:cpu,cpuacct:/job/task", "0::/")
    cgroup_v1(tmp_path, used_bytes=5000)
    cgroup_v1(tmp_path, "/job", limit_bytes=2000, used_bytes=500, quota_cores=0.5)
    cgroup_v1(tmp_path, "/job/task", limit_bytes=900, used_bytes=400, droppable_bytes=100)
    top = "/sys/fs/cgroup/memory"
    assert memory_limits(tmp_path) == (
        MemoryLimit(f"{top}/job/task", 900, 300),
        MemoryLimit(f"{top}/job", 2000, 500),
    )
    assert cpu_quota(tmp_path) == 0.5


def test_docker_of_version_1_is_the_top_of_its_mounts(tmp_path: Path) -> None:
    docker_v1(tmp_path, limit_bytes=2**28, used_bytes=2**27)
    assert memory_limits(tmp_path) == (MemoryLimit("/sys/fs/cgroup/memory", 2**28, 2**27),)
    assert cpu_quota(tmp_path) == 0.5


def test_a_group_within_a_container_of_version_1_is_found(tmp_path: Path) -> None:
    docker_v1(tmp_path, limit_bytes=2**28, used_bytes=2**27)
    in_groups(tmp_path, "4:memory:/docker/1f2e/app", "2:cpu,cpuacct:/docker/1f2e/app")
    cgroup_v1(tmp_path, "/app", limit_bytes=2**20, used_bytes=7, quota_cores=0.25)
    assert [limit.limit_bytes for limit in memory_limits(tmp_path)] == [2**20, 2**28]
    assert cpu_quota(tmp_path) == 0.25


def test_version_1_tells_the_limit_of_an_ancestor_that_is_out_of_sight(tmp_path: Path) -> None:
    in_groups(tmp_path, "4:memory:/")
    cgroup_v1(tmp_path, limit_bytes=9000, used_bytes=100, inherited_limit_bytes=4000)
    assert memory_limits(tmp_path) == (
        MemoryLimit("/sys/fs/cgroup/memory", 9000, 100),
        MemoryLimit("/sys/fs/cgroup/memory (above it)", 4000, 100),
    )


def test_a_hybrid_machine_limits_memory_in_version_1(tmp_path: Path) -> None:
    in_groups(tmp_path, "4:memory:/job", "0::/job")
    places = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified")
    mounted(tmp_path, ("/", places[0], "memory"), ("/", places[1], "cgroup2"))
    cgroup_v1(tmp_path, "/job", limit_bytes=2000, used_bytes=500)
    write(tmp_path, {"sys/fs/cgroup/unified/job/cgroup.procs": ""})
    assert memory_limits(tmp_path) == (MemoryLimit(f"{places[0]}/job", 2000, 500),)


def test_hierarchies_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    in_groups(tmp_path, "9:cpuacct,cpu:/job", "4:memory:/job")
    mounted(tmp_path, ("/", "/dev/my\\040memory", "memory"), ("/", "/cg/c", "cpuacct,cpu"))
    cgroup_v1(tmp_path, "/job", limit_bytes=2000, used_bytes=500, quota_cores=0.5,
              memory="/dev/my memory", cpu="/cg/c")  # fmt: skip
    assert memory_limits(tmp_path) == (MemoryLimit("/dev/my memory/job", 2000, 500),)
    assert cpu_quota(tmp_path) == 0.5


def test_of_two_mounts_the_one_that_shows_the_group_is_read(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/a")
    mounted(tmp_path, ("/b", "/elsewhere", "cgroup2"), ("/", V2, "cgroup2"))
    cgroup_v2(tmp_path, limit_bytes=1, used_bytes=1, mount="/elsewhere")
    cgroup_v2(tmp_path, "/a", limit_bytes=1000, used_bytes=400)
    assert memory_limits(tmp_path) == (MemoryLimit(f"{V2}/a", 1000, 400),)


def test_a_group_whose_name_is_not_utf_8_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": b"0::/caf\xe9\n"})
    cgroup_v2(tmp_path, "/caf\udce9", limit_bytes=1000, used_bytes=400)
    assert memory_limits(tmp_path) == (MemoryLimit(f"{V2}/caf?", 1000, 400),)


@pytest.mark.parametrize(
    "line", ["", "junk", "4:memory", "0::/../../../etc", ":::", "0::" + "/x" * 100_000, "0::\0"]
)
def test_a_strange_group_file_does_not_crash(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"proc/self/cgroup": line, "sys/fs/cgroup/cgroup.procs": ""})
    assert memory_limits(tmp_path) == ()
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize("line", ["", "junk - cgroup2", " - ", "1 2 3 / /x rw - cgroup2 cgroup2"])
def test_a_strange_mount_file_does_not_crash(tmp_path: Path, line: str) -> None:
    in_groups(tmp_path, "0::/a")
    write(tmp_path, {"proc/self/mountinfo": f"{line}\n", "sys/fs/cgroup/a/memory.max": "x"})
    link(tmp_path, "x", "x")
    assert memory_limits(tmp_path) == ()
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize("text", ["", "max", "-1", "9" * 5000, "1.5", "²"])
def test_junk_is_no_limit(tmp_path: Path, text: str) -> None:
    folder = cgroup_v2(tmp_path, limit_bytes=5000, used_bytes=10, quota_cores=2)
    write(folder, {"memory.max": text, "cpu.max": f"{text} 100000"})
    assert memory_limits(tmp_path) == ()
    assert cpu_quota(tmp_path) is None
