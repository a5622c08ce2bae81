"""Real ``.tflite`` files of a few hundred bytes, made without TensorFlow: which colour is it?

A quantised dense layer over a 4x4 picture whose outputs are the mean red, green and blue, so that
tests know the right answer of a model that a real interpreter runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # noqa: TID253 - the writer is the point

from edgescale.edgetpu.model_file import read_model_file
from edgescale.family.manifest import SCHEMA_VERSION, Manifest, Preparation, VariantRecord
from edgescale.family.store import Family, artifact_from, save_manifest

COLOURS = ("red", "green", "blue")
_PRIMARIES = np.eye(3, dtype=np.uint8) * 200
RED, GREEN, BLUE = (np.full((30, 40, 3), colour, np.uint8) for colour in _PRIMARIES)


@dataclass(frozen=True)
class Tiny:
    """What to make: input side, a background output before the colours, softmax, twin."""

    side: int = 4
    background: bool = False
    softmax: bool = True
    compiled: bool = False
    per_channel: bool = False
    input_scale: float = 1 / 128
    weight: float | None = None  # of a model in float32, whose inputs are 0 to 1

    @property
    def outputs(self) -> int:
        return 3 + self.background


def tiny_model(tiny: Tiny = Tiny()) -> bytes:
    """Returns the file's bytes."""
    if tiny.weight is not None:
        return _float_model(tiny.side, tiny.weight)
    builder = _Builder()
    size = tiny.side * tiny.side * 3
    image = builder.tensor("image", [1, tiny.side, tiny.side, 3], "UINT8", tiny.input_scale, 0)
    logits = builder.tensor("logits", [1, tiny.outputs], "UINT8", 1 / 16, 0)
    last = logits
    if tiny.compiled:
        last = builder.tensor("scores", [1, tiny.outputs], "UINT8", 1 / 256, 0)
        builder.operator("CUSTOM", [image], [last], custom="edgetpu-custom-op")
    else:
        weights = np.full((tiny.outputs, tiny.side * tiny.side, 3), 128, np.uint8)
        for colour in range(3):
            weights[colour + tiny.background, :, colour] = 255
        kernel = builder.tensor(
            "kernel", [tiny.outputs, size], "UINT8", 1 / 127 / size * 30, 128, weights,
            channels=tiny.outputs if tiny.per_channel else 1,
        )  # fmt: skip
        bias_scale = tiny.input_scale / 127 / size * 30
        bias = builder.tensor("bias", [tiny.outputs], "INT32", bias_scale, 0,
                              np.zeros(tiny.outputs, np.int32))  # fmt: skip
        builder.operator("FULLY_CONNECTED", [image, kernel, bias], [logits])
        if tiny.softmax:
            last = builder.tensor("scores", [1, tiny.outputs], "UINT8", 1 / 256, 0)
            builder.operator("SOFTMAX", [logits], [last])
    return builder.finish(image, last)


def _float_model(side: int, weight: float) -> bytes:
    builder = _Builder()
    image = builder.tensor("image", [1, side, side, 3], "FLOAT32", None, 0)
    logits = builder.tensor("logits", [1, 3], "FLOAT32", None, 0)
    scores = builder.tensor("scores", [1, 3], "FLOAT32", None, 0)
    weights = np.zeros((3, side * side, 3), np.float32)
    for colour in range(3):
        weights[colour, :, colour] = weight
    kernel = builder.tensor("kernel", [3, side * side * 3], "FLOAT32", None, 0, weights)
    bias = builder.tensor("bias", [3], "FLOAT32", None, 0, np.zeros(3, np.float32))
    builder.operator("FULLY_CONNECTED", [image, kernel, bias], [logits])
    builder.operator("SOFTMAX", [logits], [scores])
    return builder.finish(image, scores)


def tiny_record(folder: Path, name: str, tiny: Tiny = Tiny(), twin: bool = False) -> VariantRecord:
    """Writes a model (and a compiled twin) into a family's folder and describes it."""
    path = folder / "models" / f"{name}.tflite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_model(tiny))
    compiled = None
    if twin:
        twin_path = folder / "models" / f"{name}_edgetpu.tflite"
        twin_path.write_bytes(tiny_model(Tiny(side=tiny.side, background=tiny.background,
                                              compiled=True)))  # fmt: skip
        compiled = artifact_from(folder, twin_path)
    content = read_model_file(path)
    return VariantRecord(
        name=name, phi=None, depth_coefficient=None, width_coefficient=None, resolution=tiny.side,
        parameters=None, macs=content.macs, macs_ratio=None, asked_macs_ratio=None,
        weight_bytes=content.weight_bytes, peak_activation_bytes=content.peak_activation_bytes,
        model=artifact_from(folder, path), compiled=compiled,
        compiled_reason=None if compiled else "not compiled in this test", architecture=None,
        preparation=Preparation(tiny.side, tiny.side, 1.0, 0.0, 128.0, "uint8", 1 / 128, 0),
        outputs=tiny.outputs, label_offset=int(tiny.background),
        scores="softmax" if tiny.softmax else "logits", accuracy=None,
        accuracy_reason="not evaluated in this test", operators=content.operators,
    )  # fmt: skip


def tiny_family(folder: Path, *records: VariantRecord) -> Family:
    """Writes the manifest of a family of such models and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, edgescale_version="0.1.0",
        name="colours", provenance="imported",
        labels=COLOURS, coefficients=None, baseline=None, recipe=None,
        variants=records or (tiny_record(folder, "tiny"),),
    )  # fmt: skip
    save_manifest(folder, manifest)
    return Family(folder, manifest)


class _Builder:
    """Collects tensors and operators and packs them with the schema's object API."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []

    def tensor(  # noqa: PLR0913 - the fields of a tensor
        self, name: str, shape: list[int], dtype: str, scale: float | None, zero_point: int,
        data: Any = None, channels: int = 1,
    ) -> int:  # fmt: skip
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, shape
        tensor.type = getattr(schema.TensorType, dtype)
        tensor.quantization = schema.QuantizationParametersT()
        if scale is not None:
            tensor.quantization.scale = [scale] * channels
            tensor.quantization.zeroPoint = [zero_point] * channels
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self, name: str, inputs: list[int], outputs: list[int], custom: str | None = None
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(127, code.builtinCode)
        code.customCode, code.version = custom, 1
        self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if name == "FULLY_CONNECTED":
            operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
            operator.builtinOptions = schema.FullyConnectedOptionsT()
        if name == "SOFTMAX":
            operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
            operator.builtinOptions = schema.SoftmaxOptionsT()
            operator.builtinOptions.beta = 1.0
        self.operators.append(operator)

    def finish(self, image: int, scores: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [image], [scores]
        model = schema.ModelT()
        model.version, model.operatorCodes = 3, self.codes
        model.subgraphs, model.buffers = [graph], self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
