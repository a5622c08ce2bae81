"""The way onto the Edge TPU: device strings, libedgetpu as a TFLite delegate, and Google's pycoral.

A delegate is first loaded in a child process, because a libedgetpu that does not fit the runtime
ends the whole process with a segmentation fault, which no ``try`` can catch.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from edgescale import errors
from edgescale.errors import DeviceError, EdgeTpuNotFound, EdgeTpuRuntimeMissing
from edgescale.inference.child import ended_by, python_command
from edgescale.inference.runtime import Runtime, choose_runtime

LIBRARIES = {"darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
_PYCORALS_LIBRARY = "libedgetpu of pycoral"
PROBE_TIMEOUT_S = 60.0  # the first use of a USB Edge TPU uploads its firmware
_DEVICE = re.compile(r"cpu|auto|(usb|pci)?:\d{1,2}|usb|pci")


@dataclass(frozen=True)
class PycoralReport:
    """Which package of the name pycoral is installed: Google's, a stranger's, or none."""

    installed: bool
    google: bool
    version: str | None
    message: str


def check_device(text: str) -> str:
    """Returns the device string if it is one.

    The grammar is pycoral's: ``usb``, ``usb:<N>``, ``pci``, ``pci:<N>``, ``:<N>`` (the N-th of
    any kind), and beside it ``cpu`` and ``auto``.

    Raises:
        DeviceError: it is none of these.
    """
    if not _DEVICE.fullmatch(text):
        raise DeviceError(
            f"device '{text}' is not known; give auto, cpu, usb, pci, usb:<N>, pci:<N> or :<N>"
        )
    return text


def library_or_default(library: str | None) -> str:
    """Returns the Edge TPU library to load: the one named, or this system's usual one."""
    return library or LIBRARIES.get(sys.platform, "libedgetpu.so.1")


def load_edgetpu_delegate(runtime: Runtime, device: str, library: str | None = None) -> Any:
    """Loads the Edge TPU delegate, first in a child process.

    Raises:
        EdgeTpuRuntimeMissing: no library, not a delegate, or it does not fit the runtime.
        EdgeTpuNotFound: the library loads but finds no such device.
    """
    library = library_or_default(library)
    _try_in_child({"runtime": runtime.name, "device": device, "library": library})
    return _loaded(lambda: runtime.load_delegate(library, _options(device)), library, device)


def try_edge_tpu(device: str, *, runtime: str | None = None, library: str | None = None) -> None:
    """Finds out in a child process whether an Edge TPU can be used; nothing is loaded here.

    Raises:
        EdgeTpuRuntimeMissing: no library, not a delegate, or it does not fit the runtime.
        EdgeTpuNotFound: the library loads but finds no such device.
    """
    if runtime is None and library is None and pycoral_report().google:
        _try_in_child({"runtime": "pycoral", "device": device, "library": _PYCORALS_LIBRARY})
    else:
        library = library_or_default(library)
        _try_in_child({"runtime": runtime or "", "device": device, "library": library})


def pycoral_report() -> PycoralReport:
    """Tells Google's pycoral from the stranger's on PyPI, importing neither."""
    spec = PathFinder.find_spec("pycoral")
    if spec is None:
        return PycoralReport(False, False, None, "not installed (not needed)")
    try:
        version = metadata.version("pycoral")
    except metadata.PackageNotFoundError:
        version = None
    places = spec.submodule_search_locations or ()
    if any((Path(place) / "utils" / "edgetpu.py").is_file() for place in places):
        return PycoralReport(True, True, version, "Google's pycoral, used for Edge TPU devices")
    return PycoralReport(
        True,
        False,
        version,
        "this is not Google's pycoral but PyPI's package of the same name, a downloader of coral"
        " reef maps; it is not used: pip uninstall pycoral",
    )


def make_pycoral_interpreter(model_path: Path, device: str) -> Any:
    """Makes an interpreter with Google's pycoral, its delegate tried in a child process first.

    Raises:
        EdgeTpuRuntimeMissing: pycoral is there but does not work.
        EdgeTpuNotFound: no such Edge TPU.
    """
    _try_in_child({"runtime": "pycoral", "device": device, "library": _PYCORALS_LIBRARY})
    pycoral = _pycoral()
    named = None if device == "auto" else device
    return _loaded(
        lambda: pycoral.make_interpreter(str(model_path), device=named),
        _PYCORALS_LIBRARY,
        device,
    )


def main(settings: dict[str, str]) -> None:
    """Loads the delegate in this (child) process and prints how that went as one JSON line."""
    device, library = settings["device"], settings["library"]
    try:
        if settings["runtime"] == "pycoral":
            pycoral = _pycoral()
            _loaded(lambda: pycoral.load_edgetpu_delegate(_options(device)), library, device)
        else:
            runtime = choose_runtime(settings["runtime"] or None)
            _loaded(lambda: runtime.load_delegate(library, _options(device)), library, device)
    except DeviceError as problem:
        answer = {"error": type(problem).__name__, "message": str(problem)}
    else:
        answer = {"error": "", "message": ""}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _try_in_child(settings: dict[str, str]) -> None:
    """Raises what a child process meets when it loads the delegate, a fatal signal included."""
    library, runtime = settings["library"], settings["runtime"] or "the TFLite runtime"
    try:
        child = subprocess.run(
            python_command(__name__, settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise EdgeTpuRuntimeMissing(
            f"{library} did not finish loading within {PROBE_TIMEOUT_S:.0f} s; unplug the Edge TPU,"
            " plug it in again and retry"
        ) from problem
    if child.returncode < 0:
        raise EdgeTpuRuntimeMissing(
            f"{library} ended the process with {ended_by(child.returncode)} when {runtime} loaded"
            " it: the two do not fit; use a libedgetpu built for this runtime's TensorFlow version"
            " (--edgetpu-library), or another runtime (--runtime)"
        )
    try:
        answer = json.loads(child.stdout.decode("utf-8", "replace").rstrip().rpartition("\n")[2])
        kind, message = str(answer["error"]), str(answer["message"])
    except (ValueError, TypeError, KeyError) as problem:
        tail = child.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise EdgeTpuRuntimeMissing(
            f"loading {library} with {runtime} ended with {ended_by(child.returncode)}"
            f" ({tail[:200]}); give a working library with --edgetpu-library"
        ) from problem
    if kind:
        raise _error_class(kind)(message)


def _error_class(name: str) -> type[DeviceError]:
    found = getattr(errors, name, None)
    if isinstance(found, type) and issubclass(found, DeviceError):
        return found
    return EdgeTpuRuntimeMissing


def _loaded(load: Callable[[], Any], library: str, device: str) -> Any:
    try:
        return load()
    except OSError as problem:
        _disarm(problem)
        raise EdgeTpuRuntimeMissing(
            f"{library} cannot be loaded ({problem}); install the Edge TPU runtime (Debian package"
            " libedgetpu1-std), or name the library with --edgetpu-library"
        ) from problem
    except AttributeError as problem:
        _disarm(problem)
        raise EdgeTpuRuntimeMissing(
            f"{library} is not an Edge TPU library (it has no TFLite delegate: {problem}); name"
            " libedgetpu with --edgetpu-library"
        ) from problem
    except ValueError as problem:
        _disarm(problem)
        raise EdgeTpuNotFound(
            f"{library} loads but finds no Edge TPU for device '{device}'; plug it in (lsusb shows"
            " 1a6e:089a or 18d1:9302, a PCIe one is /dev/apex_0), check that your user may open it"
            " and that no other process uses it, or choose --device cpu"
        ) from problem


def _disarm(problem: BaseException) -> None:
    """Keeps a half-made Delegate quiet: its ``__del__`` fails on what ``__init__`` never set."""
    for frame_self in _selves(problem):
        if type(frame_self).__name__ == "Delegate":
            frame_self._library = None


def _selves(problem: BaseException) -> Iterator[Any]:
    error: BaseException | None = problem
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            if "self" in trace.tb_frame.f_locals:
                yield trace.tb_frame.f_locals["self"]
            trace = trace.tb_next
        error = error.__context__


def _options(device: str) -> dict[str, str]:
    return {} if device == "auto" else {"device": device}


def _pycoral() -> Any:
    try:
        return import_module("pycoral.utils.edgetpu")
    except (ImportError, AttributeError, SystemError, OSError) as problem:
        raise EdgeTpuRuntimeMissing(
            f"Google's pycoral is installed but cannot be imported ({problem}); repair it, or go"
            " around it with --runtime ai_edge_litert"
        ) from problem
