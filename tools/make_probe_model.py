"""Writes edgescale/inference/probe.tflite, the smallest model that proves an interpreter.

One int8 convolution and one addition, so that importing a runtime is never mistaken for being able
to run one (tflite-runtime 2.14 imports with numpy 2 and fails when it is used). Needs TensorFlow;
prints what the model answers to its test input, which ``inference/runtime.py`` checks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TARGET = Path(__file__).parents[1] / "edgescale" / "inference" / "probe.tflite"


def build() -> bytes:
    """Converts a 2x2 convolution with a skip connection to full int8."""
    import tensorflow as tf

    generator = np.random.default_rng(7)
    kernel = tf.constant(generator.uniform(-1, 1, (1, 1, 2, 2)), tf.float32)

    def network(image: Any) -> Any:
        return tf.nn.conv2d(image, kernel, 1, "SAME") + image

    def calibration() -> Iterator[list[Any]]:
        yield [np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2)]

    traced = tf.function(network, input_signature=[tf.TensorSpec((1, 2, 2, 2), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def answer(content: bytes) -> list[int]:
    """Runs the model once on -100, -75 ... 75."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    image = np.arange(-100, 100, 25, dtype=np.int8).reshape(1, 2, 2, 2)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return [int(value) for value in output.ravel()]


def main() -> None:
    """Writes the file and prints its size and answer."""
    content = build()
    TARGET.write_bytes(content)
    sys.stdout.write(f"{TARGET}: {len(content)} bytes, answers {answer(content)}\n")


if __name__ == "__main__":
    main()
