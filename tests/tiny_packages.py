"""Compiled models of a few hundred bytes, written by hand with the builders of ``flatbuffers``.

The written form is Google's (``executable.fbs``, ``custom_op_data.cc``), so that the reader is
tested without the 2 MB files of Coral.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # noqa: TID253 - the writer is the point
from flatbuffers import flexbuffers

STAND_ALONE, CACHING, EXECUTION = 0, 1, 2
_CALLS = {"int16": "PrependInt16Slot", "int32": "PrependInt32Slot", "int64": "PrependInt64Slot",
          "uint8": "PrependUint8Slot", "uint64": "PrependUint64Slot",
          "float32": "PrependFloat32Slot", "offset": "PrependUOffsetTRelativeSlot"}  # fmt: skip


@dataclass(frozen=True)
class TinyLayer:
    """An input or output; ``size_bytes`` is padded."""

    name: str = "image"
    size_bytes: int = 48
    shape: tuple[int, int, int] = (4, 4, 3)
    scale: float = 1 / 128
    executions: int | None = None


@dataclass(frozen=True)
class TinyExecutable:
    """One program; ``hints`` are (what is carried, bytes) with 0 output, 1 input, 2 parameters."""

    kind: int = EXECUTION
    parameters: int = 0
    instructions: tuple[int, ...] = (96,)
    scratch: int = 0
    narrow: int = 832
    cycles: int = 0
    cycles_32bit: int = 0  # where compilers before the 64-bit field put them
    token: int = 0xFEDC_BA98_7654_3210
    hints: tuple[tuple[int, int], ...] = ()
    inputs: tuple[TinyLayer, ...] = ()
    outputs: tuple[TinyLayer, ...] = ()


@dataclass(frozen=True)
class TinyPackage:
    """What one operator holds; by default a program and what it caches."""

    executables: tuple[TinyExecutable, ...] = field(
        default=(
            TinyExecutable(
                parameters=64, scratch=672, hints=((1, 48), (2, 64), (0, 16)),
                inputs=(TinyLayer(),), outputs=(TinyLayer("scores", 16, (1, 1, 3), 1 / 256),),
            ),
            TinyExecutable(CACHING, 192, (32,), narrow=0),
        )
    )  # fmt: skip
    min_runtime: int = 14
    compiler: str = "16.0.384591198"


def package_bytes(package: TinyPackage = TinyPackage()) -> bytes:
    """Returns a package with its identifier."""
    programs = multi_executable([executable_bytes(item) for item in package.executables])
    builder = flatbuffers.Builder(256)
    compiler, inner = builder.CreateString(package.compiler), builder.CreateByteVector(programs)
    root = _table(
        builder, 8,
        (0, "int32", package.min_runtime), (1, "offset", inner), (4, "offset", compiler),
    )  # fmt: skip
    return _finished(builder, root)


def bundle_bytes(packages: Sequence[bytes]) -> bytes:
    """Returns a package that holds others, one for each of several chips."""
    builder = flatbuffers.Builder(256)
    inner = [builder.CreateByteVector(package) for package in packages]
    parts = _vector(builder, [_table(builder, 1, (0, "offset", item)) for item in inner])
    return _finished(builder, _table(builder, 8, (5, "int32", -1), (6, "offset", parts)))


def multi_executable(programs: Sequence[bytes]) -> bytes:
    """Returns the table of programs, each a string that is no text."""
    builder = flatbuffers.Builder(256)
    strings = _vector(builder, [builder.CreateString(program) for program in programs])
    builder.Finish(_table(builder, 1, (0, "offset", strings)))
    return bytes(builder.Output())


def overlapping_bytes(program: bytes, times: int) -> bytes:
    """Returns a package whose programs are one and the same bytes, so that it seems far more."""
    builder = flatbuffers.Builder(256)
    strings = _vector(builder, [builder.CreateString(program)] * times)
    builder.Finish(_table(builder, 1, (0, "offset", strings)))
    programs = bytes(builder.Output())
    builder = flatbuffers.Builder(256)
    inner = builder.CreateByteVector(programs)
    return _finished(builder, _table(builder, 8, (0, "int32", 14), (1, "offset", inner)))


def same_layers_bytes(layers: int, name: bytes) -> bytes:
    """Returns a program whose inputs are one layer many times, under a name that is no text."""
    builder = flatbuffers.Builder(256)
    text = builder.CreateString(name)
    layer = _table(builder, 12, (0, "offset", text))
    inputs = _vector(builder, [layer] * layers)
    fields = ((1, "offset", text), (8, "offset", inputs), (13, "int16", EXECUTION))
    builder.Finish(_table(builder, 17, *fields))
    return bytes(builder.Output())


def executable_bytes(program: TinyExecutable) -> bytes:
    """Returns one program; its parameters and instructions are bytes that are no UTF-8."""
    builder = flatbuffers.Builder(256)
    chip, name = builder.CreateString("beagle"), builder.CreateString("model")
    streams = [builder.CreateByteVector(b"\xc3" * size) for size in program.instructions]
    tables = [_table(builder, 2, (0, "offset", stream)) for stream in streams]
    fields = [
        (1, "offset", name), (3, "int32", 1), (4, "int32", program.scratch),
        (5, "offset", _vector(builder, tables)),
        (6, "offset", builder.CreateByteVector(b"\xfe" * program.parameters)),
        (7, "offset", _hints(builder, program.hints)),
        (8, "offset", _layers(builder, program.inputs)),
        (9, "offset", _layers(builder, program.outputs)), (10, "offset", chip),
        (11, "int32", program.cycles_32bit),
        (12, "int32", program.narrow), (13, "int16", program.kind),
        (14, "uint64", program.token), (16, "int64", program.cycles),
    ]  # fmt: skip
    builder.Finish(_table(builder, 17, *fields))
    return bytes(builder.Output())


def _hints(builder: Any, hints: Sequence[tuple[int, int]]) -> int:
    made = []
    for carried, size_bytes in hints:
        meta = _table(builder, 4, (0, "int16", carried))
        transfer = _table(builder, 3, (0, "offset", meta), (2, "int32", size_bytes))
        made.append(_table(builder, 3, (0, "uint8", 1), (1, "offset", transfer)))
    made.append(_table(builder, 3, (0, "uint8", 3)))  # an interrupt, which carries nothing
    return _table(builder, 2, (0, "offset", _vector(builder, made)))


def _layers(builder: Any, layers: Sequence[TinyLayer]) -> int:
    made = []
    for layer in layers:
        name = builder.CreateString(layer.name)
        numerics = _table(builder, 2, (0, "int32", 128), (1, "float32", layer.scale))
        y, x, z = layer.shape
        fields = [
            (0, "offset", name), (1, "int32", layer.size_bytes), (2, "int32", y), (3, "int32", x),
            (4, "int32", z), (5, "offset", numerics), (9, "int32", layer.executions),
        ]  # fmt: skip
        made.append(_table(builder, 12, *[item for item in fields if item[2] is not None]))
    return _vector(builder, made)


def options_bytes(package: bytes, more: Sequence[bytes] = (), preference: int = -1) -> bytes:
    """Returns the options of the Edge TPU's operator, as ``custom_op_data.cc`` writes them."""
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Key("1")
        builder.Int(0)
        builder.Key("4")
        builder._WriteBlob(package, append_zero=True, type_=flexbuffers.Type.STRING)
        builder.Key("5")
        builder.Int(preference)
        if more:
            builder.Key("6")
            builder.VectorFromElements([18] * (1 + len(more)))
            builder.Key("7")
            with builder.Vector():
                for item in more:
                    builder._WriteBlob(item, append_zero=True, type_=flexbuffers.Type.STRING)
    return bytes(builder.Finish())


def compiled_tflite(
    *options: bytes, beside: bool = False, name: str = "edgetpu-custom-op", zero_point: int = 0
) -> bytes:
    """Returns a model with one custom operator for each options, and perhaps a softmax."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    codes, graph.tensors, graph.operators = [], [], []
    for tensor_name in ("image", *(f"scores{index}" for index in range(len(options) + beside))):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = tensor_name, [1, 3], schema.TensorType.UINT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1 / 256], [zero_point]
        tensor.buffer = 0
        graph.tensors.append(tensor)
    for index in range(len(options) + beside):
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.version, operator.opcodeIndex = 1, index
        operator.inputs, operator.outputs = [index], [index + 1]
        if index < len(options):
            code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, name
            operator.customOptions = np.frombuffer(options[index], np.uint8)
        else:
            code.builtinCode = schema.BuiltinOperator.SOFTMAX
        code.deprecatedBuiltinCode = code.builtinCode
        codes.append(code)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [len(graph.tensors) - 1]
    model.version, model.operatorCodes, model.subgraphs = 3, codes, [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _table(builder: Any, slots: int, *fields: tuple[int, str, Any]) -> int:
    builder.StartObject(slots)
    for slot, kind, value in fields:
        getattr(builder, _CALLS[kind])(slot, value, None)
    end: int = builder.EndObject()
    return end


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def _finished(builder: Any, root: int) -> bytes:
    builder.Finish(root, b"DWN1")
    return bytes(builder.Output())
