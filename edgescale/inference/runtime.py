"""The TFLite interpreters that may be installed, tried in order and proven by running one.

Importing a runtime proves nothing: tflite-runtime 2.14 imports with numpy 2 and fails when the
first interpreter is made. So each is proven on a tiny model that the package carries.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.errors import RuntimeMissing

# ai_edge_litert first: on x86 it runs int8 models 10 to 19 times faster than tflite-runtime 2.14.
RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow")
PROBE_MODEL = Path(__file__).with_name("probe.tflite")

# Written by tools/make_probe_model.py together with the model.
_PROBE_INPUT = np.arange(-100, 100, 25, dtype=np.int8).reshape(1, 2, 2, 2)
_PROBE_ANSWER = np.array([-99, -64, -40, -24, 18, 16, 77, 56], np.int16)

_DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "tflite_runtime": "tflite-runtime",
    "tensorflow": "tensorflow",
}


@dataclass(frozen=True)
class Runtime:
    """A proven interpreter: its name, its class, and the loader of its delegates."""

    name: str
    interpreter_class: Callable[..., Any]
    load_delegate: Callable[..., Any]

    @property
    def version(self) -> str:
        """Returns the version of its distribution."""
        return installed_version(self.name) or "unknown"


@dataclass(frozen=True)
class RuntimeStatus:
    """What ``devices`` says of one runtime; ``usable`` is None where it was not tried."""

    name: str
    version: str | None
    usable: bool | None
    reason: str


def choose_runtime(name: str | None = None) -> Runtime:
    """Returns the named runtime, or the first of ``RUNTIMES`` that proves usable.

    Raises:
        RuntimeMissing: the name is unknown, or no runtime (or not this one) works here.
    """
    if name is not None:
        if name not in RUNTIMES:
            from edgescale.family.fields import did_you_mean

            raise RuntimeMissing(f"runtime '{name}' is not known{did_you_mean(name, RUNTIMES)}")
        return _proven(name)
    reasons = []
    for candidate in RUNTIMES:
        try:
            return _proven(candidate)
        except RuntimeMissing as problem:
            reasons.append(str(problem))
    raise RuntimeMissing(
        f"no TFLite interpreter works here ({'; '.join(reasons)}); install one with"
        " 'pip install ai-edge-litert'"
    )


def runtime_report() -> tuple[RuntimeStatus, ...]:
    """Returns the state of every runtime; none is imported after the first that works."""
    report: list[RuntimeStatus] = []
    chosen: str | None = None
    for name in RUNTIMES:
        version = installed_version(name)
        if chosen is not None:
            installed = "not tried" if version else "not installed, not needed"
            report.append(RuntimeStatus(name, version, None, f"{installed}: {chosen} comes first"))
            continue
        try:
            runtime = _proven(name)
        except RuntimeMissing as problem:
            report.append(RuntimeStatus(name, version, False, str(problem)))
        else:
            chosen = name
            report.append(RuntimeStatus(name, runtime.version, True, "runs the probe model"))
    return tuple(report)


def _proven(name: str) -> Runtime:
    """Imports a runtime and runs the probe model on it.

    Raises:
        RuntimeMissing: it is not installed, or it cannot run the probe model.
    """
    distribution = _DISTRIBUTIONS[name]
    try:
        # A tflite-runtime built for numpy 1 writes a page of warnings when imported with numpy 2;
        # the sentence below says the same.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runtime = _imported(name)
            answer = _run_probe(runtime)
    except ModuleNotFoundError as problem:
        if problem.name is not None and problem.name.partition(".")[0] == name:
            raise RuntimeMissing(
                f"{name} is not installed (pip install {distribution})"
            ) from problem
        raise RuntimeMissing(_broken(name, problem)) from problem
    except (ImportError, AttributeError, SystemError, RuntimeError, ValueError, OSError,
            TypeError) as problem:  # fmt: skip
        raise RuntimeMissing(_broken(name, problem)) from problem
    if np.abs(answer.astype(np.int16) - _PROBE_ANSWER).max() > 1:
        raise RuntimeMissing(
            f"{name} {runtime.version} computes the probe model wrongly; install another version"
            f" with 'pip install --upgrade {distribution}'"
        )
    return runtime


def _imported(name: str) -> Runtime:
    if name == "tensorflow":
        # Its banner of build flags on stderr says nothing to the user of an interpreter.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        tensorflow = import_module("tensorflow")
        return Runtime(
            name, tensorflow.lite.Interpreter, tensorflow.lite.experimental.load_delegate
        )
    module = import_module(f"{name}.interpreter")
    return Runtime(name, module.Interpreter, module.load_delegate)


def _run_probe(runtime: Runtime) -> np.ndarray[Any, np.dtype[np.int8]]:
    interpreter = runtime.interpreter_class(model_path=str(PROBE_MODEL), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], _PROBE_INPUT)
    interpreter.invoke()
    answer: np.ndarray[Any, np.dtype[np.int8]]
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return answer.ravel()


def _broken(name: str, problem: Exception) -> str:
    """Says why an installed runtime does not work, with the mend where it is known."""
    distribution, version = _DISTRIBUTIONS[name], installed_version(name) or "of unknown version"
    numpy_major = int(np.__version__.partition(".")[0])
    if name == "tflite_runtime" and numpy_major >= 2:
        return (
            f"{name} {version} was built for numpy 1 and does not work with numpy"
            f" {np.__version__}: pip install 'numpy<2', or use ai-edge-litert"
        )
    first_line = str(problem).strip().partition("\n")[0] or type(problem).__name__
    return (
        f"{name} {version} is installed but does not work ({first_line[:200]}): pip install"
        f" --force-reinstall {distribution}"
    )


def installed_version(name: str) -> str | None:
    """Returns the version of a runtime's distribution, or None where none is installed."""
    from importlib import metadata  # 13 ms that the start of a worker does without

    usual = _DISTRIBUTIONS.get(name, name)
    for distribution in (usual, f"{usual}-cpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None
