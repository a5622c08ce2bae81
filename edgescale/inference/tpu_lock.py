"""One process per Edge TPU: a lock file that also says who has it.

A second process that opens an Edge TPU ends the first one's transfers, and the stick has to be
plugged in again; so it is refused before the driver is asked. The kernel drops the lock together
with the last process that holds it, however that ended.

The lock goes by bus and number as libedgetpu counts, not by the path in sysfs: when its firmware is
loaded, an Edge TPU on USB changes its id, and with it its number and often its bus. The folder is
the user's own below the temporary one: ``XDG_RUNTIME_DIR`` is not set in a service, which would
then not see the lock of a login of the same user.

It is seen by processes of one user with one temporary folder. Another user, a service with
``PrivateTmp=``, another ``TMPDIR`` and another container each have locks of their own, and two of
those that are given the same Edge TPU do disturb each other: give it to one of them.
"""

import fcntl
import os
import tempfile
from pathlib import Path

from edgescale.errors import DeviceError, EdgeTpuBusy

_LONGEST_PID = 20


def lock_edge_tpu(device: str, root: Path = Path("/")) -> int:
    """Takes the lock of an Edge TPU.

    Args:
        device: an Edge TPU string; ``usb`` and ``usb:0`` are the same one, and so is ``auto``
            where no Edge TPU is on PCIe.
        root: where ``sys`` is; ``/`` outside tests.

    Returns:
        A descriptor; the lock is free when it and all its heirs are closed.

    Raises:
        EdgeTpuBusy: a process has it, perhaps this one.
        DeviceError: there is no place for locks.
    """
    path = _folder() / f"{lock_name(device, root)}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as problem:
        raise DeviceError(
            f"{path}: the lock of the Edge TPU cannot be opened ({problem.strerror}); remove it"
        ) from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        owner = _owner(lock)
        os.close(lock)
        raise EdgeTpuBusy(
            f"Edge TPU '{device}' is in use by {owner}, and only one process can use it; end that"
            " one, or choose another device (--device cpu, usb:1, ...)"
        ) from problem
    os.truncate(lock, 0)
    os.pwrite(lock, b"%d" % os.getpid(), 0)
    return lock


def lock_name(device: str, root: Path = Path("/")) -> str:
    """Returns what tells one Edge TPU from another: ``usb-0``, ``pci-1``.

    ``auto`` and ``:N`` count through PCIe first and USB then, as libedgetpu does.
    """
    bus, _, number = device.partition(":")
    index = int(number or 0)
    if bus in ("usb", "pci"):
        return f"{bus}-{index}"
    on_pci = len(list((root / "sys/class/apex").glob("apex_*")))
    return f"pci-{index}" if index < on_pci else f"usb-{index - on_pci}"


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"edgescale-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat().st_uid
    except OSError as problem:
        raise DeviceError(
            f"{folder}: the folder for locks of Edge TPUs cannot be made ({problem.strerror});"
            " set TMPDIR to a folder that can be written"
        ) from problem
    if owner != os.getuid():
        raise DeviceError(
            f"{folder}: the folder for locks of Edge TPUs belongs to user {owner}; have it removed"
        )
    return folder


def _owner(lock: int) -> str:
    text = os.pread(lock, _LONGEST_PID, 0)
    if not text.isdigit():
        return "another process"
    return "this process" if int(text) == os.getpid() else f"process {int(text)}"
