"""How large the full-int8 ``.tflite`` of a network will be, before it is built.

A budget for a file is planned with this; a build then measures the real file. The layout is that of
the FlatBuffer which TensorFlow 2.21's converter writes, read from the files that
``builder/quantise.py`` made of 22 networks (6 kB to 11.9 MB): of every tensor a table, its name,
its shape and 12 bytes for each scale and zero point; of every constant a buffer; of every operator
a table with its options. What varies with alignment is counted at its most, so that the prediction
is an upper bound: 0.002 to 0.3 % above those files, 1.2 % above the smallest. Squeeze and excite
is counted by the same layout, but is never built, so no file proves it.
"""

from edgescale.architecture.network import Architecture
from edgescale.layer import Layer

# Bytes beside what is counted by element: tables, lengths, entries in lists, padding.
_FILE = 1_192  # the model, operator codes, signature, metadata; the image's and score's tensors
_FIRST_DEPTHWISE = 52  # the layouts of depthwise tables, written once
_TENSOR = 60
_BUFFER = 8
_DATA = 12
_OPERATORS = {"conv": 68, "depthwise": 76, "add": 64, "multiply": 64, "dense": 60,
              "average_pool": 84, "softmax": 60}  # fmt: skip
_ONE_PIXEL_ADDITION = 220  # the converter makes a reshape and a bias of it
_SCALE = 12  # float32 scale, int64 zero point


def file_bytes(architecture: Architecture) -> int:
    """Returns the predicted bytes of the int8 file; the module says from what and how near."""
    layers = architecture.layers
    depthwise = any(layer.operation == "depthwise" for layer in layers)
    return _FILE + depthwise * _FIRST_DEPTHWISE + sum(_layer_bytes(layer) for layer in layers)


def _layer_bytes(layer: Layer) -> int:
    size = _OPERATORS[layer.operation] + _tensor(f"{_bias_name(layer)}1", rank=4, scales=1)
    if layer.operation == "add" and layer.output_shape[:2] == (1, 1):
        size += _ONE_PIXEL_ADDITION
    if layer.weights:
        scales = 1 if layer.operation == "dense" else layer.biases
        size += _tensor(_bias_name(layer), rank=1, scales=scales) + _data(4 * layer.biases)
        size += _tensor(_kernel_name(layer), rank=4, scales=scales) + _data(layer.weights)
    return size


def _tensor(name: str, *, rank: int, scales: int) -> int:
    return _TENSOR + _padded(len(name) + 1) + 4 * rank + _SCALE * scales + _BUFFER


def _data(size: int) -> int:
    return _DATA + _padded(size)


def _padded(size: int) -> int:
    return -(-size // 4) * 4


def _kernel_name(layer: Layer) -> str:
    """Returns the name the converter gives a kernel: of what it folded into it."""
    name = f"network_1/{layer.name}"
    if layer.operation == "depthwise":
        return f"{name}_bn_1/batchnorm/mul_1;{name}_1/depthwise"
    return f"{name}_1/convolution"


def _bias_name(layer: Layer) -> str:
    """Returns the name the converter gives a bias; the output has the same and a digit.

    Of layers without normalisation it is the longest that was seen.
    """
    name = f"network_1/{layer.name}"
    if layer.operation not in ("conv", "depthwise"):
        return f"{name}_1/MatMul;{name}_1/BiasAdd" if layer.weights else f"{name}_1/Multiply"
    activation = layer.activation
    begin = "" if activation == "none" else f"{name}_{activation}_1/{activation.title()};"
    folded = f"{begin}{name}_bn_1/batchnorm/add_1;"
    return f"{folded}{_kernel_name(layer)};{name}_bn_1/batchnorm/sub"
