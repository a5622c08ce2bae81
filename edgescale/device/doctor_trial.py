"""Loads the Edge TPU's delegate, and runs a model on it, in a child process that may crash.

The texts that TFLite gives when that fails are empty; libedgetpu, told to be loud, says the cause
on stderr.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from edgescale.device.foreign_child import Told, ask_child, tell
from edgescale.errors import EdgescaleError

TIMEOUT_S = 60.0  # the first use of a USB Edge TPU uploads its firmware
TIMEOUT_WITH_FIRMWARE_S = 25.0  # a runtime that is read from a slow SD card
_LOUDEST = 10


def try_delegate(
    runtime: str | None,
    library: str | None,
    model: str | None,
    *,
    device: str = "auto",
    timeout_s: float = TIMEOUT_S,
) -> Told:
    """Loads the delegate, and runs the model once where one is given.

    Args:
        runtime: name of the TFLite runtime; None is Google's pycoral.
        library: the Edge TPU library; None with pycoral, which has its own.
        model: a compiled model, or None.
        device: which Edge TPU.
        timeout_s: when a child that does not answer is ended, in seconds.

    Returns:
        What the child told: the ``device``, ``error`` and its ``kind`` where it was refused,
        ``ran`` the model that ran.
    """
    settings = {"runtime": runtime, "library": library, "model": model, "device": device}
    return ask_child(__name__, settings, timeout_s=timeout_s)


def main(settings: dict[str, Any]) -> None:
    """Runs in the child process."""
    runtime, library, model = settings["runtime"], settings["library"], settings["model"]
    device = settings["device"]
    tell(device=device)
    if library is not None:
        _make_loud(library)
    try:
        if model is None:
            tell(step="loading the delegate")
            _load(runtime, library, device)
        else:
            tell(step="loading the model")
            _run(runtime, library, device, Path(model))
    except EdgescaleError as problem:
        tell(error=str(problem), kind=type(problem).__name__)
    tell(step="ending", done=True)


def _load(runtime: str | None, library: str | None, device: str) -> None:
    from edgescale.inference.delegate import (
        EdgeTpuSettings,
        load_edgetpu_delegate,
        make_pycoral_interpreter,
    )
    from edgescale.inference.runtime import PROBE_MODEL, choose_runtime

    if runtime is None:
        make_pycoral_interpreter(PROBE_MODEL, device, EdgeTpuSettings())
    else:
        load_edgetpu_delegate(choose_runtime(runtime), device, EdgeTpuSettings(library))


def _run(runtime: str | None, library: str | None, device: str, model: Path) -> None:
    import numpy as np

    from edgescale.inference.classifier import Classifier
    from edgescale.inference.delegate import EdgeTpuSettings

    edgetpu = EdgeTpuSettings(library)
    classifier = Classifier(model, device=device, runtime=runtime, edgetpu=edgetpu)
    tell(step="running the model")
    classifier.invoke(np.zeros(classifier.input.shape[1:], classifier.input.dtype))
    tell(ran=str(model))


def _make_loud(library: str) -> None:
    import ctypes

    with suppress(OSError, AttributeError):  # the delegate's loader says it better
        ctypes.CDLL(library).edgetpu_verbosity(_LOUDEST)
