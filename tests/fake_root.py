"""Writes the trees under ``proc``, ``sys`` and ``dev`` that a kernel shows, below any folder.

What the probe and the doctor must tell apart (a stick before its firmware, a board without driver,
a container with limits) is not at hand on a test machine, but all of it is text in files. Layout:
the kernel's ABI documents for USB, PCI, cgroup, cpufreq and thermal, and google/gasket-driver for
``sys/class/apex``. Each function writes one thing and returns the path of what it made.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

APEX_TRIP_POINTS_C = (85.0, 90.0, 95.0)  # the driver's defaults
OFF_THE_BUS_MILLI_C = -89_700  # what the driver makes of a register that reads all ones


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files below a root, folders included."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def link(root: Path, name: str, target: str) -> Path:
    """Makes a symbolic link below a root; the target is written as it is given."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def may_open_by_mode(path: Path) -> bool:
    """Says whether others may read and write a file; unlike ``os.access`` also true for root."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IROTH and mode & stat.S_IWOTH)


def device_node(root: Path, node: str, *, permitted: bool = True) -> Path:
    """Writes a device node such as ``/dev/apex_0`` (a plain file here)."""
    path = root / node.lstrip("/")
    write(root, {node.lstrip("/"): ""})
    path.chmod(0o666 if permitted else 0o600)
    return path


def usb_device(
    root: Path, name: str, ids: tuple[str, str], *, speed: int | str = 5000, number: int = 3
) -> Path:
    """Writes one device on the USB bus; the first figure of its name is the bus."""
    folder = f"sys/bus/usb/devices/{name}"
    bus = name.partition("-")[0]
    write(
        root,
        {
            f"{folder}/idVendor": f"{ids[0]}\n",
            f"{folder}/idProduct": f"{ids[1]}\n",
            f"{folder}/speed": f"{speed}\n",
            f"{folder}/busnum": f"{bus}\n",
            f"{folder}/devnum": f"{number}\n",
            f"{folder}:1.0/bInterfaceClass": "fe\n",
        },
    )
    return root / folder


def usb_tpu(  # noqa: PLR0913
    root: Path,
    name: str = "2-1",
    *,
    firmware: bool = False,
    speed: int = 5000,
    number: int = 3,
    power: str | None = "896mA",
    node: bool = True,
    permitted: bool = True,
) -> Path:
    """Writes a Coral USB Accelerator, before or after its firmware is loaded.

    Args:
        root: where ``sys`` and ``dev`` are.
        name: its place, bus and port.
        firmware: it has its firmware, so it shows Google's ids.
        speed: of the link, in Mbit/s: 480 is USB 2, 5000 is USB 3.
        number: its number on the bus; another one after each plugging.
        power: bMaxPower as the kernel writes it, None without.
        node: ``/dev/bus/usb/BBB/DDD`` exists.
        permitted: everyone may open the node; else root only.
    """
    ids = ("18d1", "9302") if firmware else ("1a6e", "089a")
    folder = usb_device(root, name, ids, speed=speed, number=number)
    if power is not None:
        write(folder, {"bMaxPower": f"{power}\n"})
    if node:
        bus = int(name.partition("-")[0])
        device_node(root, f"/dev/bus/usb/{bus:03d}/{number:03d}", permitted=permitted)
    return folder


def pci_tpu(  # noqa: PLR0913
    root: Path,
    address: str = "0000:01:00.0",
    *,
    apex: int | None = 0,
    milli_c: int | str | None = 47_300,
    trip_points_c: tuple[float, ...] = APEX_TRIP_POINTS_C,
    node: bool = True,
    permitted: bool = True,
    owner: int = 0,
) -> Path:
    """Writes a Coral board on PCI Express.

    Args:
        root: where ``sys`` and ``dev`` are.
        address: its place on the bus.
        apex: the N of its ``/dev/apex_N``; None where no driver took it.
        milli_c: its temperature in thousandths of a degree C, None without the file.
        trip_points_c: where the driver slows it down.
        node: ``/dev/apex_N`` exists.
        permitted: everyone may open the node; else root only.
        owner: the process that holds it, 0 for none.
    """
    folder = f"sys/devices/pci0000:00/{address}"
    write(root, {f"{folder}/vendor": "0x1ac1\n", f"{folder}/device": "0x089a\n"})
    link(root, f"sys/bus/pci/devices/{address}", f"../../../devices/pci0000:00/{address}")
    if apex is None:
        return root / folder
    place = f"{folder}/apex/apex_{apex}"
    files = {"device_owner": str(owner), "is_device_owned": str(int(owner > 0))}
    files |= {f"trip_point{n}_temp": str(round(1000 * c)) for n, c in enumerate(trip_points_c)}
    if milli_c is not None:
        files["temp"] = str(milli_c)
    write(root / place, {name: f"{text}\n" for name, text in files.items()})
    link(root, f"{folder}/driver", "../../../bus/pci/drivers/apex")
    link(root, f"{place}/device", f"../../../{address}")
    link(root, f"sys/class/apex/apex_{apex}", f"../../{place.removeprefix('sys/')}")
    if node:
        device_node(root, f"/dev/apex_{apex}", permitted=permitted)
    return root / folder


def opened_by(root: Path, pid: int, node: str, *, descriptor: int = 7) -> Path:
    """Lets a process have a node open, as ``/proc/PID/fd`` shows it."""
    return link(root, f"proc/{pid}/fd/{descriptor}", node)


def in_groups(root: Path, *lines: str) -> Path:
    """Writes which control groups this process is in, lines as in ``/proc/self/cgroup``."""
    return write(root, {"proc/self/cgroup": "".join(f"{line}\n" for line in lines)})


def mounted(root: Path, *mounts: tuple[str, str, str]) -> Path:
    """Writes ``/proc/self/mountinfo`` for control groups.

    Args:
        root: where ``proc`` is.
        mounts: (root of the mount, mount point, ``cgroup2`` or a list of version 1 controllers).
    """
    lines = ["22 27 0:21 / /proc rw,relatime - proc proc rw"]
    for number, (top, place, kind) in enumerate(mounts, 30):
        filesystem = "cgroup2 cgroup2 rw" if kind == "cgroup2" else f"cgroup cgroup rw,{kind}"
        lines.append(f"{number} 22 0:{number} {top} {place} rw,relatime shared:9 - {filesystem}")
    return write(root, {"proc/self/mountinfo": "\n".join(lines) + "\n"})


def cgroup_v2(  # noqa: PLR0913
    root: Path,
    group: str = "/",
    *,
    limit_bytes: int | None = None,
    used_bytes: int = 0,
    droppable_bytes: int = 0,
    quota_cores: float | None = None,
    mount: str = "/sys/fs/cgroup",
) -> Path:
    """Writes one control group of version 2; None is no limit."""
    top = mount.lstrip("/")
    folder = f"{top}/{group.strip('/')}".rstrip("/")
    quota = "max" if quota_cores is None else str(round(100_000 * quota_cores))
    files = {
        f"{top}/cgroup.procs": "",
        f"{folder}/cgroup.procs": "",
        f"{folder}/memory.max": f"{'max' if limit_bytes is None else limit_bytes}\n",
        f"{folder}/memory.high": "max\n",
        f"{folder}/memory.current": f"{used_bytes}\n",
        f"{folder}/memory.stat": f"anon 1\ninactive_file {droppable_bytes}\n",
        f"{folder}/cpu.max": f"{quota} 100000\n",
    }
    write(root, files)
    return root / folder


def cgroup_v1(  # noqa: PLR0913
    root: Path,
    group: str = "/",
    *,
    limit_bytes: int | None = None,
    used_bytes: int = 0,
    droppable_bytes: int = 0,
    inherited_limit_bytes: int | None = None,
    quota_cores: float | None = None,
    memory: str = "/sys/fs/cgroup/memory",
    cpu: str = "/sys/fs/cgroup/cpu,cpuacct",
) -> Path:
    """Writes one control group of version 1, memory and CPU; returns the one for memory."""
    none = 9_223_372_036_854_771_712
    limit = none if limit_bytes is None else limit_bytes
    inherited = limit if inherited_limit_bytes is None else inherited_limit_bytes
    quota = -1 if quota_cores is None else round(100_000 * quota_cores)
    of_memory = f"{memory.strip('/')}/{group.strip('/')}".rstrip("/")
    of_cpu = f"{cpu.strip('/')}/{group.strip('/')}".rstrip("/")
    stat_text = (
        f"inactive_file 1\nhierarchical_memory_limit {inherited}\n"
        f"total_inactive_file {droppable_bytes}\n"
    )
    write(
        root,
        {
            f"{of_memory}/memory.limit_in_bytes": f"{limit}\n",
            f"{of_memory}/memory.usage_in_bytes": f"{used_bytes}\n",
            f"{of_memory}/memory.stat": stat_text,
            f"{of_cpu}/cpu.cfs_quota_us": f"{quota}\n",
            f"{of_cpu}/cpu.cfs_period_us": "100000\n",
        },
    )
    return root / of_memory


def docker_v2(root: Path, *, limit_bytes: int, used_bytes: int, quota_cores: float = 1.5) -> Path:
    """Writes a Docker container as its host sees it: the limit is on the group's parent."""
    group = "/system.slice/docker-1f2e.scope"
    write(root, {".dockerenv": ""})
    in_groups(root, f"0::{group}/app")
    mounted(root, ("/", "/sys/fs/cgroup", "cgroup2"))
    cgroup_v2(root, f"{group}/app", used_bytes=used_bytes // 2)
    write(root, {"sys/fs/cgroup/cgroup.procs": ""})
    return cgroup_v2(
        root, group, limit_bytes=limit_bytes, used_bytes=used_bytes, quota_cores=quota_cores
    )


def docker_v1(root: Path, *, limit_bytes: int, used_bytes: int, quota_cores: float = 0.5) -> Path:
    """Writes a Docker container of version 1 from inside: its group is the top of the mounts."""
    group = "/docker/1f2e"
    write(root, {".dockerenv": ""})
    in_groups(root, f"4:memory:{group}", f"2:cpu,cpuacct:{group}")
    memory, cpu = "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"
    mounted(root, (group, memory, "memory"), (group, cpu, "cpu,cpuacct"))
    return cgroup_v1(root, limit_bytes=limit_bytes, used_bytes=used_bytes, quota_cores=quota_cores)
