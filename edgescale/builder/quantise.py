"""Quantises a trained network to full int8 and proves from the file that it is.

TensorFlow's converter decides silently about what matters here (per-channel dense weights, a scale
beside 1/128, a float operator left in), so the written file is read back and judged.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgescale.architecture.network import Architecture
from edgescale.builder.calibration import representative_dataset, representative_pictures
from edgescale.builder.data import Data
from edgescale.builder.network import export_model, set_weights
from edgescale.builder.pixels import INPUT_SCALE, INPUT_ZERO_POINT
from edgescale.builder.recipe import QuantisationRecipe
from edgescale.builder.tensorflow_setup import import_tensorflow, silenced
from edgescale.builder.weights import Weights
from edgescale.edgetpu.lint import lint_file
from edgescale.edgetpu.model_file import ModelFile, read_model_file
from edgescale.errors import BuildError
from edgescale.family.manifest import Preparation
from edgescale.family.store import write_bytes
from edgescale.inference.preparation import Preparer


def quantise(
    architecture: Architecture,
    weights: Weights,
    *,
    recipe: QuantisationRecipe,
    data: Data | None,
    preparation: Preparation,
    path: Path,
) -> ModelFile:
    """Writes the int8 model and returns what the file holds.

    Raises:
        BuildError: the converter failed, or its file is not what was asked for.
        DataError: the representative pictures are not there.
    """
    model = export_model(architecture)
    set_weights(model, architecture, weights)
    pictures = representative_pictures(recipe, data)
    # Read before the converter runs: it would bury what is wrong with a picture.
    inputs = list(representative_dataset(pictures, Preparer(preparation)))
    write_bytes(path, converted(model, inputs))
    check_maps(path)
    written = read_model_file(path)
    check_quantised(written, resolution=architecture.resolution, classes=architecture.classes)
    return written


def converted(model: Any, inputs: list[Any] | None = None) -> bytes:
    """Returns a Keras model as ``.tflite``: full int8, or float32 without pictures to calibrate.

    Args:
        model: what ``export_model`` made.
        inputs: normalised pictures, float32 (1, H, W, 3), that hold both extremes.

    Raises:
        BuildError: the converter failed.
    """
    tf, _ = import_tensorflow()
    with silenced(), _without_warnings():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if inputs is not None:
            _set_int8(converter, inputs)
        try:
            content: bytes = converter.convert()
        except (RuntimeError, ValueError, tf.errors.OpError) as problem:
            raise BuildError(f"TensorFlow's converter failed ({problem})") from problem
    return content


def _set_int8(converter: Any, inputs: list[Any]) -> None:
    tf, _ = import_tensorflow()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    # Dense weights with a scale per channel compute constants on runtimes before 2.11.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own deprecations; nothing here to act on
        yield


def check_maps(path: Path) -> None:
    """Refuses a model file that an Edge TPU would not run wholly.

    The converter's settings (one scale for dense weights, a fixed batch, int8 everywhere) are
    looked up in what it wrote, not trusted.

    Raises:
        BuildError: naming the first rule it breaks, where, and the mend.
    """
    errors = lint_file(path).errors
    if errors:
        first, others = errors[0], len(errors) - 1
        more = f" (and {others} more, see 'edgescale lint {path}')" if others else ""
        raise BuildError(
            f"the converted model would not run wholly on an Edge TPU: {first.rule}:"
            f" {first.where}: {first.what}{more}; {first.mend}"
        )


def check_quantised(written: ModelFile, *, resolution: int, classes: int) -> None:
    """Refuses a model file whose input or output is not what the manifest will say.

    Raises:
        BuildError: naming the first fault.
    """
    fault = _fault(written, resolution, classes)
    if fault:
        raise BuildError(
            f"the converted model is not usable: {fault}; build with the TensorFlow"
            " version that edgescale's 'build' extra names"
        )


def _fault(written: ModelFile, resolution: int, classes: int) -> str | None:
    if len(written.inputs) != 1 or len(written.outputs) != 1:
        return "it has more than one input or output"
    image, scores = written.inputs[0], written.outputs[0]
    if image.shape != (1, resolution, resolution, 3) or scores.shape != (1, classes):
        return f"its shapes are {image.shape} and {scores.shape}"
    if image.dtype != "uint8" or scores.dtype != "uint8":
        return f"it takes {image.dtype} and gives {scores.dtype}, not uint8"
    if image.scales != (INPUT_SCALE,) or image.zero_points != (INPUT_ZERO_POINT,):
        return (
            f"its input has scale {image.scales} and zero point {image.zero_points}, not 1/128"
            " and 127"
        )
    return None
