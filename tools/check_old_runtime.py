"""Runs models on a runtime as old as the Edge TPU compiler's and compares answers with today's.

Usage: python -m tools.check_old_runtime [--python PATH] [MODEL.tflite ...]

The compiler carries TFLite of TensorFlow 2.5's time, which computes a constant from dense weights
with a scale per channel and says nothing. This needs another Python with that runtime, such as

    python3.9 -m venv old && old/bin/pip install 'tflite-runtime==2.7.0' 'numpy<2'
    python -m tools.check_old_runtime --python old/bin/python

or tensorflow-cpu==2.5.3 in its place. Without a model, EfficientNet-EdgeTPU-S is built at 96 pixels
with random weights. Ends with 1 where answers differ, with 2 where no old runtime is at hand.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURES = 8
# Kernels were rewritten between the two; a random net, full of near ties, agrees at 0.985.
LEAST_CORRELATION = 0.9
TIMEOUT_S = 600

# Runs in the old Python: only numpy and the runtime are there.
ASK = """
import sys
import numpy as np
try:
    import tflite_runtime, tflite_runtime.interpreter as module
    version, Interpreter = "tflite-runtime " + tflite_runtime.__version__, module.Interpreter
except ImportError:
    import tensorflow as tf
    version, Interpreter = "TensorFlow " + tf.__version__, tf.lite.Interpreter
if len(sys.argv) > 1:
    interpreter = Interpreter(sys.argv[1])
    interpreter.allocate_tensors()
    answers = []
    for picture in np.load(sys.argv[2]):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel())
    np.save(sys.argv[3], np.array(answers))
print(version)
"""
# How its error begins; lines of advice follow it.
_SAID = ("ValueError: ", "RuntimeError: ")


class OldRuntimeFailed(Exception):
    """The old runtime does not take a model, which is what it is asked for."""


def old_version(python: str) -> str | None:
    """Returns the old runtime that a Python has, None where it has none before 2.11."""
    try:
        run = subprocess.run(
            [python, "-c", ASK], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except OSError:
        return None
    version = run.stdout.strip().splitlines()[-1] if run.returncode == 0 and run.stdout else ""
    numbers = version.rpartition(" ")[2].split(".")[:2]
    is_old = len(numbers) == 2 and all(part.isdigit() for part in numbers)
    return version if is_old and tuple(map(int, numbers)) < (2, 11) else None


def compare(model: Path, python: str) -> tuple[float, bool]:
    """Returns the correlation of both answers, and whether the old one is constant alone."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    random = np.random.RandomState(0)
    if entry["dtype"] == np.float32:
        pictures: NDArray[Any] = random.uniform(-1, 1, (PICTURES, *entry["shape"]))
        pictures = pictures.astype(np.float32)
    else:
        limits = np.iinfo(entry["dtype"])
        pictures = random.randint(limits.min, limits.max + 1, (PICTURES, *entry["shape"]))
        pictures = pictures.astype(entry["dtype"])
    new = []
    for picture in pictures:
        interpreter.set_tensor(entry["index"], picture)
        interpreter.invoke()
        exit_ = interpreter.get_output_details()[0]["index"]
        new.append(interpreter.get_tensor(exit_).ravel().astype(np.float64))
    old = _old_answers(model, python, pictures)
    flat = [np.array(answers).ravel() for answers in (new, old)]
    constant = [float(np.ptp(answers)) == 0 for answers in flat]
    if any(constant):
        return (1.0 if all(constant) else 0.0), constant[1] and not constant[0]
    return float(np.corrcoef(flat[0], flat[1])[0, 1]), False


def _old_answers(model: Path, python: str, pictures: NDArray[Any]) -> NDArray[np.float64]:
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder) / "pictures.npy", Path(folder) / "answers.npy"
        np.save(given, pictures)
        command = [python, "-c", ASK, str(model), str(given), str(answered)]
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise OldRuntimeFailed(f"no answer within {TIMEOUT_S} s") from problem
        if run.returncode:
            lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
            raise OldRuntimeFailed(next((x for x in lines if x.startswith(_SAID)), lines[-1]))
        return np.asarray(np.load(answered), np.float64)


def build(folder: Path) -> Path:
    """Writes EfficientNet-EdgeTPU-S at 96 pixels, quantised as a build does."""
    from dataclasses import replace

    from edgescale.architecture.baseline import find_baseline
    from edgescale.scaling.variant import scale
    from tools.check_lint import linted

    baseline = replace(find_baseline("efficientnet-edgetpu"), resolution=96)
    linted(scale(baseline, 0, classes=5).architecture, folder)
    return folder / "model.tflite"


def main() -> None:
    """Prints a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=shutil.which("python3.9") or "python3.9")
    parser.add_argument("models", nargs="*", type=Path)
    asked = parser.parse_args()
    version = old_version(asked.python)
    if version is None:
        print(
            f"{asked.python}: no tflite-runtime or TensorFlow before 2.11 there; nothing was"
            " compared (see --help for how to get one)"
        )
        sys.exit(2)
    agree = True
    with tempfile.TemporaryDirectory() as folder:
        for model in asked.models or [build(Path(folder))]:
            try:
                correlation, constant = compare(model, asked.python)
                said = "CONSTANT on the old one" if constant else f"correlation {correlation:.4f}"
            except OldRuntimeFailed as problem:
                correlation, said = 0.0, f"REFUSED by the old one: {problem}"
            except (ValueError, RuntimeError) as problem:
                correlation, said = 0.0, f"not usable on ai-edge-litert: {problem}"
            print(f"{model}: {version} and ai-edge-litert, {PICTURES} pictures: {said}")
            agree = agree and correlation >= LEAST_CORRELATION
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
