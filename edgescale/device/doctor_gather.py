"""Gathers what the doctor looks at: files of the kernel, answers of child processes, models.

Only what must be asked is asked: the delegate is not tried on an Edge TPU that another process has,
which would end that process's transfers.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from edgescale.device.choose import edge_tpu_devices, edge_tpu_of, without_advice
from edgescale.device.doctor_board import may_be_tried
from edgescale.device.doctor_facts import Board, Facts, ModelFacts, Software, System, User
from edgescale.device.doctor_models import models_at
from edgescale.device.doctor_trial import TIMEOUT_S, TIMEOUT_WITH_FIRMWARE_S, try_delegate
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.foreign_child import Told
from edgescale.device.kernel_files import entries, is_folder, milli, read_text, whole_number
from edgescale.device.libedgetpu import library_report
from edgescale.device.probe import ROOT, Machine, probe
from edgescale.device.runtimes import runtime_here, runtimes_here
from edgescale.errors import (
    DeviceError,
    EdgeTpuBusy,
    RuntimeMissing,
)
from edgescale.inference.delegate import pycoral_report
from edgescale.inference.tpu_lock import lock_edge_tpu
from edgescale.inference.worker import WorkerSettings

_UDEV_FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_OWN_MODULE = re.compile(r"edgescale(\.\w+)+")


@dataclass(frozen=True)
class Asked:
    """What the user named: a model or family, a library, a runtime; None is not named."""

    path: Path | None = None
    library: str | None = None
    runtime: str | None = None


Notice = Callable[[str], None]


def gather(asked: Asked, *, root: Path = ROOT, notice: Notice = lambda text: None) -> Facts:
    """Looks at everything.

    Args:
        asked: what the user named.
        root: where ``proc``, ``sys``, ``dev`` and ``etc`` are; ``/`` outside tests.
        notice: told what is done next before it takes long.

    Raises:
        FamilyError: the family or model that was named is not there.
    """
    models = tuple(models_at(asked.path))  # first: a wrong name is said at once
    facts = Facts(look_at(probe(root), root), _software(asked, models))
    software = facts.software
    if software.runtime is None or not software.library.works:
        return facts
    for device in _candidates(facts.system):
        try:
            with _locked(device, root):
                return replace(facts, trial=_trial(facts, device, notice))
        except EdgeTpuBusy as problem:
            facts = replace(facts, locked=without_advice(problem))
    return facts


def _candidates(system: System) -> list[str]:
    """Returns the devices that the delegate may be loaded for, best first.

    Where the kernel shows none the library may know one, as in a container without ``/sys``.
    """
    if not system.boards:
        return ["auto"]
    free = {board.tpu for board in system.boards if may_be_tried(board, system)}
    return [device for device, tpu in edge_tpu_devices(system.machine) if tpu in free]


def _trial(facts: Facts, device: str, notice: Notice) -> Told:
    software = facts.software
    tpu = edge_tpu_of(device, facts.system.machine)
    loaded = tpu is not None and tpu.firmware_loaded
    timeout_s = TIMEOUT_WITH_FIRMWARE_S if loaded else TIMEOUT_S
    name = "" if tpu is None else f" {tpu.bus} {tpu.path}"
    notice(f"trying the Edge TPU{name} (up to {timeout_s:g} s) ...")
    has = software.library.runtime_version or 0
    fitting = [one.path for one in software.models if 0 < (one.min_runtime_version or 0) <= has]
    model = fitting[0] if fitting else None
    if software.runtime is None or software.uses_pycoral:
        return try_delegate(None, None, model, device=device, timeout_s=timeout_s)
    name, library = software.runtime[0], software.library.library
    return try_delegate(name, library, model, device=device, timeout_s=timeout_s)


@contextmanager
def _locked(device: str, root: Path) -> Iterator[None]:
    """Keeps other processes of edgescale from the Edge TPU while it is tried.

    Raises:
        EdgeTpuBusy: one of them has it.
    """
    lock = lock_edge_tpu(device, root)
    try:
        yield
    finally:
        os.close(lock)


def look_at(machine: Machine, root: Path) -> System:
    """Reads the files around the Edge TPUs of a machine."""
    listed = [
        f"{bus:03d}/{number:03d}"
        for folder in entries(root / "sys/bus/usb/devices")
        if (bus := whole_number(read_text(folder / "busnum"))) is not None
        and (number := whole_number(read_text(folder / "devnum"))) is not None
    ]
    devices = {tpu: device for device, tpu in edge_tpu_devices(machine)}
    return System(
        machine=machine,
        boards=tuple(_board(tpu, devices.get(tpu), root) for tpu in machine.edge_tpus),
        user=_user(),
        container=_container(root),
        usb_bus=is_folder(root / "sys/bus/usb"),
        usb_devices=len(listed),
        usb_nodes=sum((root / "dev/bus/usb" / node).exists() for node in listed),
        udev_rule=_udev_rule(root),
        apex_module=is_folder(root / "sys/module/apex"),
    )


def _board(tpu: EdgeTpu, device: str | None, root: Path) -> Board:
    node = None if tpu.node is None else root / tpu.node.lstrip("/")
    text, group = (None, None) if node is None else _owner(node, str(tpu.node))
    degrees = read_text(root / "sys/class/apex" / tpu.path / "temp") if tpu.bus == "pci" else ""
    others = [pid for pid in tpu.owners if pid != os.getpid()]
    ours = {pid: module for pid in others if (module := _own_module(pid, root))}
    return Board(
        tpu=tpu,
        refusal=None if node is None or tpu.bus != "usb" else _refusal(node),
        node_there=None if node is None else node.exists(),
        node_text=text,
        node_group=group,
        users=tuple(_process(pid, root) for pid in others if pid not in ours),
        runs=(
            *_lock_taken(device, root),
            *(f"{tpu.node} is open in process {pid} ({name})" for pid, name in ours.items()),
        ),
        sensor_c=milli(degrees),
    )


def _owner(node: Path, name: str) -> tuple[str | None, str | None]:
    """Returns who may open a device file, in words, and its group."""
    try:
        status, user, group = node.stat(), node.owner(), node.group()
    except OSError:
        return None, None
    except KeyError:  # a container knows the number and no name for it
        status = node.stat()
        user, group = str(status.st_uid), str(status.st_gid)
    return f"{name} is {user}:{group} {status.st_mode & 0o7777:04o}", group


def _refusal(node: Path) -> str | None:
    """Opens a device file on USB, since a control group may forbid what the mode allows.

    That does nothing to the device; opening a PCI board's would take it from others.
    """
    try:
        os.close(os.open(node, os.O_RDWR | os.O_CLOEXEC))
    except OSError as problem:
        return problem.strerror if problem.errno == errno.EPERM else None
    return None


def _lock_taken(device: str | None, root: Path) -> tuple[str, ...]:
    """Returns which process of edgescale has the lock of an Edge TPU, in words."""
    if device is None:
        return ()
    try:
        with _locked(device, root):
            return ()
    except EdgeTpuBusy as problem:
        return (without_advice(problem),)
    except DeviceError:  # no place for locks; who needs one says so
        return ()


def _own_module(pid: int, root: Path) -> str | None:
    """Returns the module of edgescale that a process runs; a worker's command line names it."""
    words = read_text(root / f"proc/{pid}/cmdline").split("\0")
    return next((word for word in words if _OWN_MODULE.fullmatch(word)), None)


def _process(pid: int, root: Path) -> str:
    command = read_text(root / f"proc/{pid}/cmdline").replace("\0", " ")[:120]
    return f"{pid} ({command or read_text(root / f'proc/{pid}/comm') or '?'})"


def _user() -> User:
    import grp
    import pwd

    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        return User(f"uid {os.getuid()}", tuple(str(group) for group in os.getgroups()))
    known = {one.gr_gid: one.gr_name for one in grp.getgrall()}
    later = os.getgrouplist(account.pw_name, account.pw_gid)
    return User(
        account.pw_name,
        tuple(known.get(group, str(group)) for group in os.getgroups()),
        tuple(known.get(group, str(group)) for group in later),
    )


def _container(root: Path) -> str | None:
    for mark in (".dockerenv", "run/.containerenv"):
        if (root / mark).exists():
            return f"/{mark} is there"
    for line in read_text(root / "proc/1/cgroup").splitlines():
        if any(word in line for word in ("docker", "kubepods", "lxc", "containerd")):
            return f"/proc/1/cgroup says {line}"
    return None


def _udev_rule(root: Path) -> str | None:
    for folder in _UDEV_FOLDERS:
        for path in entries(root / folder):
            if path.suffix == ".rules" and "1a6e" in read_text(path):
                return f"/{path.relative_to(root)}"
    return None


def _software(asked: Asked, models: tuple[ModelFacts, ...]) -> Software:
    runtime, problem = None, None
    try:
        runtimes = runtimes_here()
    except RuntimeMissing as refusal:
        runtimes, problem = (), str(refusal)
    try:
        runtime = runtime_here(
            WorkerSettings(runtime=asked.runtime, edgetpu_library=asked.library, device="cpu")
        )
    except RuntimeMissing as refusal:
        problem = str(refusal)
    return Software(
        library=library_report(asked.library),
        library_named=asked.library is not None,
        runtimes=runtimes,
        runtime=runtime,
        runtime_problem=problem,
        runtime_named=asked.runtime,
        numpy_version=metadata.version("numpy"),
        pycoral=pycoral_report(),
        models=models,
    )
