"""A sound quantised classifier of eight operators, and twelve faults planted into its file.

Both are written with the object API of the schema that ai_edge_litert carries, so that a fault is
one in a real file and not in a record of ours.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # noqa: TID253 - the writer is the point

INT8, UINT8, FLOAT32, INT32 = (
    getattr(schema.TensorType, name) for name in ("INT8", "UINT8", "FLOAT32", "INT32")
)
_OPTIONS = {
    "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "ADD": "AddOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "SOFTMAX": "SoftmaxOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "MEAN": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
}  # fmt: skip


class Model:
    """A model under construction: ``content`` is its file."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.root = schema.ModelT()
        self.root.version, self.root.operatorCodes = 3, []
        self.root.subgraphs, self.root.buffers = [self.graph], [schema.BufferT()]

    def tensor(
        self, name: str, shape: Sequence[int], dtype: int = INT8, *,
        scales: Sequence[float] = (), zero: int = 0, data: Any = None,
    ) -> int:  # fmt: skip
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), dtype, 0
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(scales)
        tensor.quantization.zeroPoint = [zero] * len(scales)
        if data is not None:
            self.root.buffers.append(schema.BufferT())
            self.root.buffers[-1].data = np.frombuffer(np.asarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.root.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], *,
        at: int | None = None, version: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(127, code.builtinCode), version
        self.root.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.root.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if name in _OPTIONS:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[name])
            operator.builtinOptions = getattr(schema, _OPTIONS[name] + "T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        place = len(self.graph.operators) if at is None else at
        self.graph.operators.insert(place, operator)

    def replace(self, index: int, name: str, inputs: Sequence[int], **options: Any) -> None:
        """Puts another operator where one is, which writes the same tensor."""
        outputs = self.graph.operators.pop(index).outputs
        self.operator(name, inputs, outputs, at=index, **options)

    def code(self, index: int) -> Any:
        return self.root.operatorCodes[self.graph.operators[index].opcodeIndex]

    @property
    def content(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.root.Pack(builder), b"TFL3")
        return bytes(builder.Output())


# The tensors of the sound model, by index.
IMAGE, MAP, CONV, DEPTHWISE, SUM, POOL, LOGITS, SCORES, RESULT, KERNEL, DENSE = range(11)
ACTIVATIONS = range(9)


def sound_model() -> Model:
    """Returns a classifier of 16x16 pictures that maps wholly; operator n writes tensor n + 1."""
    model = Model()
    model.tensor("image", [1, 16, 16, 3], UINT8, scales=[1 / 128], zero=127)
    model.tensor("map", [1, 16, 16, 3], scales=[1 / 128], zero=-1)
    for name in ("conv", "depthwise", "sum"):
        model.tensor(name, [1, 8, 8, 16], scales=[1 / 16], zero=-128)
    model.tensor("pool", [1, 1, 1, 16], scales=[1 / 16], zero=-128)
    model.tensor("logits", [1, 4], scales=[1 / 8])
    model.tensor("scores", [1, 4], scales=[1 / 256], zero=-128)
    model.tensor("result", [1, 4], UINT8, scales=[1 / 256])
    kernel = model.tensor("kernel", [16, 3, 3, 3], scales=[1 / 64] * 16, data=_ones(16, 3, 3, 3))
    dense = model.tensor("dense", [4, 16], scales=[1 / 64], data=_ones(4, 16))
    spatial = model.tensor("spatial", [1, 3, 3, 16], scales=[1 / 64] * 16, data=_ones(1, 3, 3, 16))
    model.graph.tensors[spatial].quantization.quantizedDimension = 3
    biases = [
        model.tensor(f"bias {size}", [size], INT32, scales=[scale] * scales,
                     data=np.zeros(size, np.int32))
        for size, scale, scales in ((16, 1 / 128 / 64, 16), (16, 1 / 16 / 64, 16),
                                    (4, 1 / 16 / 64, 1))
    ]  # fmt: skip
    model.operator("QUANTIZE", [IMAGE], [MAP])
    model.operator("CONV_2D", [MAP, kernel, biases[0]], [CONV], version=3, strideW=2, strideH=2)
    model.operator("DEPTHWISE_CONV_2D", [CONV, spatial, biases[1]], [DEPTHWISE], version=3,
                   strideW=1, strideH=1, depthMultiplier=1)  # fmt: skip
    model.operator("ADD", [CONV, DEPTHWISE], [SUM], version=2)
    model.operator("AVERAGE_POOL_2D", [SUM], [POOL], version=2, padding=1, strideW=8, strideH=8,
                   filterWidth=8, filterHeight=8)  # fmt: skip
    model.operator("FULLY_CONNECTED", [POOL, dense, biases[2]], [LOGITS], version=4)
    model.operator("SOFTMAX", [LOGITS], [SCORES], version=2, beta=1.0)
    model.operator("QUANTIZE", [SCORES], [RESULT])
    model.graph.inputs, model.graph.outputs = [IMAGE], [RESULT]
    return model


def _ones(*shape: int) -> Any:
    return np.ones(shape, np.int8)


def _float_operator(model: Model) -> None:
    floats = [model.tensor(f"float {name}", [1, 4], FLOAT32) for name in ("logits", "scores")]
    del model.graph.operators[6:]
    model.operator("DEQUANTIZE", [LOGITS], [floats[0]], version=2)
    model.operator("SOFTMAX", [floats[0]], [floats[1]], beta=1.0)
    model.graph.outputs = [floats[1]]


def _dynamic_batch(model: Model) -> None:
    for index in ACTIVATIONS:
        tensor = model.graph.tensors[index]
        tensor.shapeSignature = [-1, *tensor.shape[1:]]


def _per_channel_dense(model: Model) -> None:
    for name, scale in (("dense", 1 / 64), ("bias 4", 1 / 16 / 64)):
        tensor = next(tensor for tensor in model.graph.tensors if tensor.name == name)
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale] * 4, [0] * 4


def _conv_2d_6(model: Model) -> None:
    model.code(1).version = 6


def _quantize_3(model: Model) -> None:
    model.code(0).version = 3


def _five_dimensions(model: Model) -> None:
    shapes = [np.array(shape, np.int32) for shape in ([1, 2, 4, 8, 16], [1, 8, 8, 16])]
    wide = model.tensor("wide", shapes[0].tolist(), scales=[1 / 16], zero=-128)
    back = model.tensor("back", shapes[1].tolist(), scales=[1 / 16], zero=-128)
    for place, (source, target, shape) in enumerate(
        zip((SUM, wide), (wide, back), shapes, strict=True)
    ):
        to = model.tensor(f"shape {place}", [len(shape)], INT32, data=shape)
        model.operator("RESHAPE", [source, to], [target], at=4 + place, newShape=shape.tolist())
    model.graph.operators[6].inputs = [back]


def _infinite_scale(model: Model) -> None:
    model.graph.tensors[DEPTHWISE].quantization.scale = [float("inf")]


def _hard_swish(model: Model) -> None:
    model.replace(3, "HARD_SWISH", [DEPTHWISE])


def _batch_matmul(model: Model) -> None:
    model.replace(5, "BATCH_MATMUL", [POOL, DENSE])


def _dynamic_range_weights(model: Model) -> None:
    for tensor in model.graph.tensors:
        if tensor.name not in ("kernel", "dense", "spatial"):
            tensor.type, tensor.quantization.scale = FLOAT32, []
    model.graph.operators = model.graph.operators[1:7]
    model.graph.operators[0].inputs[0] = IMAGE
    model.graph.outputs = [SCORES]


def _mean_over_256x128(model: Model) -> None:
    axes = model.tensor("axes", [2], INT32, data=np.array([1, 2], np.int32))
    model.replace(4, "MEAN", [SUM, axes], version=2, keepDims=True)
    for index, sides in ((IMAGE, 2), (MAP, 2), (CONV, 1), (DEPTHWISE, 1), (SUM, 1)):
        model.graph.tensors[index].shape[1:3] = [256 * sides, 128 * sides]


def _two_subgraphs(model: Model) -> None:
    model.root.subgraphs.append(copy.deepcopy(model.graph))


FAULTS: dict[str, Callable[[Model], None]] = {
    "float operator": _float_operator,
    "dynamic batch": _dynamic_batch,
    "per-channel dense": _per_channel_dense,
    "CONV_2D v6": _conv_2d_6,
    "QUANTIZE v3": _quantize_3,
    "5-D tensor": _five_dimensions,
    "infinite scale": _infinite_scale,
    "HARD_SWISH": _hard_swish,
    "BATCH_MATMUL": _batch_matmul,
    "dynamic-range weights": _dynamic_range_weights,
    "mean over 256x128": _mean_over_256x128,
    "two subgraphs": _two_subgraphs,
}


def faulty_model(fault: str) -> bytes:
    """Returns the file of the sound model with one fault planted."""
    model = sound_model()
    FAULTS[fault](model)
    return model.content
