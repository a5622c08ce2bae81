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
_LOUDEST = 10


def try_delegate(runtime: str | None, library: str | None, model: str | None) -> Told:
    """Loads the delegate, and runs the model once where one is given.

    Args:
        runtime: name of the TFLite runtime; None is Google's pycoral.
        library: the Edge TPU library; None with pycoral, which has its own.
        model: a compiled model, or None.

    Returns:
        What the child told: ``error`` and its ``kind`` where it was refused, ``ran`` the model that
        ran.
    """
    settings = {"runtime": runtime, "library": library, "model": model}
    return ask_child(__name__, settings, timeout_s=TIMEOUT_S)


def main(settings: dict[str, Any]) -> None:
    """Runs in the child process."""
    runtime, library, model = settings["runtime"], settings["library"], settings["model"]
    if library is not None:
        _make_loud(library)
    try:
        if model is None:
            tell(step="loading the delegate")
            _load(runtime, library)
        else:
            tell(step="loading the model")
            _run(runtime, library, Path(model))
    except EdgescaleError as problem:
        tell(error=str(problem), kind=type(problem).__name__)
    tell(step="ending", done=True)


def _load(runtime: str | None, library: str | None) -> None:
    from edgescale.inference.delegate import (
        EdgeTpuSettings,
        load_edgetpu_delegate,
        make_pycoral_interpreter,
    )
    from edgescale.inference.runtime import PROBE_MODEL, choose_runtime

    if runtime is None:
        make_pycoral_interpreter(PROBE_MODEL, "auto", EdgeTpuSettings())
    else:
        load_edgetpu_delegate(choose_runtime(runtime), "auto", EdgeTpuSettings(library))


def _run(runtime: str | None, library: str | None, model: Path) -> None:
    import numpy as np

    from edgescale.inference.classifier import Classifier
    from edgescale.inference.delegate import EdgeTpuSettings

    edgetpu = EdgeTpuSettings(library)
    classifier = Classifier(model, device="auto", runtime=runtime, edgetpu=edgetpu)
    tell(step="running the model")
    classifier.invoke(np.zeros(classifier.input.shape[1:], classifier.input.dtype))
    tell(ran=str(model))


def _make_loud(library: str) -> None:
    import ctypes

    with suppress(OSError, AttributeError):  # the delegate's loader says it better
        ctypes.CDLL(library).edgetpu_verbosity(_LOUDEST)
