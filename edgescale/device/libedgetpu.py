"""What the Edge TPU library says of itself and of the devices it sees, without TFLite or pycoral.

Asked through its C interface (libedgetpu, ``tflite/public/edgetpu_c.h``) in a child process: a
library that is not what its name says may crash or hang whoever loads it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgescale.device.foreign_child import Told, ask_child, tell
from edgescale.inference.delegate import library_or_default

TIMEOUT_S = 20.0  # listing takes milliseconds; a library on a slow SD card, a second
_DEVICE_TYPES = ("pci", "usb")  # enum edgetpu_device_type
_MOST_DEVICES = 64
_LOUDEST = 10
_NEEDED = ("edgetpu_version", "tflite_plugin_create_delegate")


@dataclass(frozen=True)
class LibraryReport:
    """What is known of an Edge TPU library.

    Attributes:
        library: the name or path that was asked for.
        found: whether there is such a file at all.
        version: what ``edgetpu_version`` says; None where it could not be asked.
        runtime_version: the number in it that compiled models name as their minimum.
        devices: what ``edgetpu_list_devices`` gives, e.g. ``usb /sys/bus/usb/devices/2-1``.
        crashed: how and where it ended its process, or that it hung.
        message: all of this in one line.
        path: the file that was loaded.
        refusal: why the system's loader refused a file that is there.
        missing_symbols: what an Edge TPU library would have and this one has not.
        said: what it wrote on stderr at its greatest verbosity.
    """

    library: str
    found: bool
    version: str | None
    runtime_version: int | None
    devices: tuple[str, ...]
    crashed: str | None
    message: str
    path: str | None = None
    refusal: str | None = None
    missing_symbols: tuple[str, ...] = ()
    said: str = ""

    @property
    def works(self) -> bool:
        """Whether it is an Edge TPU library that could be asked to the end."""
        return self.version is not None and not self.missing_symbols and self.crashed is None


def library_report(library: str | None = None) -> LibraryReport:
    """Asks an Edge TPU library what it is; never raises.

    Args:
        library: its name or path; None is this system's usual one.
    """
    library = library_or_default(library)
    return _report(library, ask_child(__name__, {"library": library}, timeout_s=TIMEOUT_S))


def main(settings: dict[str, Any]) -> None:
    """Runs in the child process: loads the library and tells what it answers."""
    import ctypes

    class Device(ctypes.Structure):  # struct edgetpu_device
        _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))

    tell(step="being loaded")
    try:
        library = ctypes.CDLL(settings["library"])
    except (OSError, ValueError) as problem:
        tell(refusal=str(problem), done=True)
        return
    missing = [symbol for symbol in _NEEDED if not hasattr(library, symbol)]
    tell(path=_mapped(settings["library"]), missing=missing)
    if "edgetpu_version" not in missing:
        tell(step="saying its version")
        library.edgetpu_version.restype = ctypes.c_char_p
        tell(version=(library.edgetpu_version() or b"").decode("utf-8", "replace"))
    if hasattr(library, "edgetpu_list_devices") and hasattr(library, "edgetpu_free_devices"):
        tell(step="listing devices")
        if hasattr(library, "edgetpu_verbosity"):
            library.edgetpu_verbosity(_LOUDEST)
        library.edgetpu_list_devices.restype = ctypes.POINTER(Device)
        library.edgetpu_list_devices.argtypes = (ctypes.POINTER(ctypes.c_size_t),)
        library.edgetpu_free_devices.argtypes = (ctypes.POINTER(Device),)
        library.edgetpu_free_devices.restype = None
        count = ctypes.c_size_t()
        devices = library.edgetpu_list_devices(ctypes.byref(count))
        known = range(min(count.value, _MOST_DEVICES) if devices else 0)
        tell(devices=[_device(devices[index].type, devices[index].path) for index in known])
        if devices:
            library.edgetpu_free_devices(devices)
    tell(step="ending", done=True)


def _device(kind: int, path: bytes | None) -> str:
    bus = _DEVICE_TYPES[kind] if kind in range(len(_DEVICE_TYPES)) else f"type {kind}"
    return f"{bus} {(path or b'?').decode('utf-8', 'replace')}"


def _mapped(library: str) -> str:
    """Returns the file that was loaded for a name, as the kernel has it; else the name."""
    try:
        maps = Path("/proc/self/maps").read_text("utf-8", errors="surrogateescape")
    except OSError:
        return library
    for line in maps.splitlines():
        path = line.partition("/")[2]
        if path and path.rpartition("/")[2].startswith(Path(library).name):
            return f"/{path}"
    return library


def _report(library: str, told: Told) -> LibraryReport:
    facts = told.facts
    refusal = facts.get("refusal")
    found = refusal is None or not _says_missing(library, refusal)
    crashed = None if told.failure is None else f"{told.failure} while {facts.get('step', '?')}"
    version = facts.get("version")
    number = re.search(r"RuntimeVersion\((\d{1,6})\)", version or "")
    runtime_version = int(number[1]) if number else None
    devices, missing = tuple(facts.get("devices", ())), tuple(facts.get("missing", ()))
    path = facts.get("path")
    name = path or library
    if refusal is not None:
        why = refusal.removeprefix(f"{library}: ")
        message = f"{library}: {'cannot be loaded' if found else 'not found'} ({why})"
    elif crashed is not None:
        message = f"{name}: ended its process ({crashed})"
    elif missing:
        message = f"{name}: not an Edge TPU library (it lacks {', '.join(missing)})"
    else:
        runtime = "of unknown runtime version" if number is None else f"runtime {runtime_version}"
        message = f"{name}: {runtime}, sees {', '.join(devices) or 'no Edge TPU'}"
    return LibraryReport(
        library=library,
        found=found,
        version=version,
        runtime_version=runtime_version,
        devices=devices,
        crashed=crashed,
        message=message,
        path=path,
        refusal=refusal,
        missing_symbols=missing,
        said=told.stderr,
    )


def _says_missing(library: str, refusal: str) -> bool:
    """Tells a library that is not there from one that lacks another (glibc, musl, macOS)."""
    pattern = rf"(Error loading shared library |dlopen\()?{re.escape(library)}\W.*no such file"
    return re.match(pattern, refusal, re.IGNORECASE | re.DOTALL) is not None
