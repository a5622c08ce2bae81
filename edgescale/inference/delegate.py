"""The way onto the Edge TPU: device strings, libedgetpu as a TFLite delegate, and Google's pycoral.

A libedgetpu that does not fit the runtime ends the whole process with a segmentation fault, which
no ``try`` can catch. So a delegate is loaded in a worker's process, whose parent knows what was
announced before a crash, or is tried in a child process that has no other purpose.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from edgescale import errors
from edgescale.errors import DeviceError, EdgeTpuNotFound, EdgeTpuRuntimeMissing
from edgescale.inference.child import ended_by, python_command
from edgescale.inference.runtime import Runtime, choose_runtime, installed_version
from edgescale.inference.tpu_lock import lock_edge_tpu

LIBRARIES = {"darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
LIBRARY, MODEL = "library", "model"  # what is opened next, see ``EdgeTpuSettings.announce``
_PYCORALS_LIBRARY = "libedgetpu of pycoral"
LOAD_TIMEOUT_S = 60.0  # the first use of a USB Edge TPU uploads its firmware
_DEVICE = re.compile(r"cpu|auto|(usb|pci)?:\d{1,2}|usb|pci")


@dataclass(frozen=True)
class EdgeTpuSettings:
    """How an Edge TPU is opened.

    Attributes:
        library: the libedgetpu to load, or None for the system's.
        performance: its clock: low, medium, high or max; None leaves it to the library.
        announce: called with the names of library and runtime and with what comes next, which may
            be the last that this process does: ``library``, just before the one loads the other, or
            ``model``, when that went well.
    """

    library: str | None = None
    performance: str | None = None
    announce: Callable[[str, str, str], None] = lambda library, runtime, what: None


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


def load_edgetpu_delegate(runtime: Runtime, device: str, settings: EdgeTpuSettings) -> Any:
    """Loads the Edge TPU delegate into this process, which a library that does not fit ends.

    Raises:
        EdgeTpuRuntimeMissing: no library, not a delegate, or it does not fit the runtime.
        EdgeTpuNotFound: the library loads but finds no such device.
    """
    library = library_or_default(settings.library)
    options = _options(device, settings.performance)
    settings.announce(library, runtime.name, LIBRARY)
    delegate = _loaded(lambda: runtime.load_delegate(library, options), library, device)
    settings.announce(library, runtime.name, MODEL)
    return delegate


def try_edge_tpu(device: str, *, runtime: str | None = None, library: str | None = None) -> None:
    """Finds out in a child process whether an Edge TPU can be used; nothing is loaded here.

    Raises:
        EdgeTpuRuntimeMissing: no library, not a delegate, or it does not fit the runtime.
        EdgeTpuNotFound: the library loads but finds no such device.
        EdgeTpuBusy: a process uses it; it is not disturbed.
    """
    if runtime is None and library is None and pycoral_report().google:
        settings = {"runtime": "pycoral", "device": device, "library": _PYCORALS_LIBRARY}
    else:
        library = library_or_default(library)
        settings = {"runtime": runtime or "", "device": device, "library": library}
    lock = lock_edge_tpu(device)
    try:
        _try_in_child(settings)
    finally:
        os.close(lock)


def pycoral_report() -> PycoralReport:
    """Tells Google's pycoral from the stranger's on PyPI, importing neither."""
    spec = PathFinder.find_spec("pycoral")
    if spec is None:
        return PycoralReport(False, False, None, "not installed (not needed)")
    version = installed_version("pycoral")
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


def make_pycoral_interpreter(model_path: Path, device: str, settings: EdgeTpuSettings) -> Any:
    """Makes an interpreter with Google's pycoral, which brings its own libedgetpu.

    Raises:
        EdgeTpuRuntimeMissing: pycoral is there but does not work.
        EdgeTpuNotFound: no such Edge TPU.
    """
    delegate = _pycorals_delegate(device, settings)
    return _pycoral().make_interpreter(str(model_path), delegate=delegate)


def crashed_at_load(library: str, runtime: str, how: str) -> EdgeTpuRuntimeMissing:
    """Says that a library ended the process that loaded it; ``how`` names the signal."""
    return EdgeTpuRuntimeMissing(
        f"{library} ended the process with {how} when {runtime} loaded it: the two do not fit; use"
        " a libedgetpu built for this runtime's TensorFlow version (--edgetpu-library), or another"
        " runtime (--runtime); 'edgescale doctor' tries the pair apart"
    )


def hung_at_load(library: str) -> EdgeTpuRuntimeMissing:
    """Says that a library did not come back."""
    return EdgeTpuRuntimeMissing(
        f"{library} did not finish loading within {LOAD_TIMEOUT_S:.0f} s; unplug the Edge TPU,"
        " plug it in again and retry"
    )


def main(settings: dict[str, str]) -> None:
    """Loads the delegate in this (child) process and prints how that went as one JSON line."""
    device = settings["device"]
    edgetpu = EdgeTpuSettings(library=settings["library"])
    try:
        if settings["runtime"] == "pycoral":
            _pycorals_delegate(device, edgetpu)
        else:
            load_edgetpu_delegate(choose_runtime(settings["runtime"] or None), device, edgetpu)
    except DeviceError as problem:
        answer = {"error": type(problem).__name__, "message": str(problem)}
    else:
        answer = {"error": "", "message": ""}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _pycorals_delegate(device: str, settings: EdgeTpuSettings) -> Any:
    settings.announce(_PYCORALS_LIBRARY, "pycoral", LIBRARY)
    pycoral, options = _pycoral(), _options(device, settings.performance)
    delegate = _loaded(lambda: pycoral.load_edgetpu_delegate(options), _PYCORALS_LIBRARY, device)
    settings.announce(_PYCORALS_LIBRARY, "pycoral", MODEL)
    return delegate


def _try_in_child(settings: dict[str, str]) -> None:
    """Raises what a child process meets when it loads the delegate, a fatal signal included."""
    import subprocess  # not at the start of a worker, which reads this file too

    library, runtime = settings["library"], settings["runtime"] or "the TFLite runtime"
    try:
        child = subprocess.run(
            python_command(__name__, settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise hung_at_load(library) from problem
    if child.returncode < 0:
        raise crashed_at_load(library, runtime, ended_by(child.returncode))
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
            " libedgetpu1-std), or name the library with --edgetpu-library; 'edgescale doctor' says"
            " what it lacks"
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
            f"{library} loads but finds no Edge TPU for device '{device}'; 'edgescale doctor'"
            " names the cause (not plugged in, permission, in use, container), or choose --device"
            " cpu"
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


def _options(device: str, performance: str | None = None) -> dict[str, str]:
    options = {} if device == "auto" else {"device": device}
    if performance is not None:
        options["Performance"] = performance.capitalize()
    return options


def _pycoral() -> Any:
    try:
        return import_module("pycoral.utils.edgetpu")
    except (ImportError, AttributeError, SystemError, OSError) as problem:
        raise EdgeTpuRuntimeMissing(
            f"Google's pycoral is installed but cannot be imported ({problem}); repair it, or go"
            " around it with --runtime ai_edge_litert"
        ) from problem
