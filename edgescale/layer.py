"""One layer as numbers: the plain record that the workstation and the device line share.

The architecture (before training) and the ``.tflite`` reader (after) both produce it, so that
costs and predictions are computed in one way from either.
"""

from dataclasses import dataclass

Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Layer:
    """One operation with its shapes; a shape is (height, width, channels), batch 1.

    Attributes:
        name: unique in its network.
        operation: ``conv``, ``depthwise``, ``add``, ``multiply``, ``average_pool``, ``dense``,
            ``softmax``, or the TFLite operator's name in lower case for what has neither weights
            nor MACs.
        inputs: names of the layers it reads; ``input`` is the image.
        kernel: side of the square kernel, 1 where there is none.
        stride: step of the kernel, 1 where there is none.
        input_shape: shape of its first input; of a dense layer over several rows (1, rows,
            channels), and its output likewise.
        output_shape: shape of its output.
        weights: kernel elements (no bias, no batch normalisation).
        biases: bias elements after batch normalisation is folded in.
        activation: ``relu``, ``relu6``, ``none``, or, of a network that is planned only,
            ``swish`` or ``sigmoid``.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    input_shape: Shape
    output_shape: Shape
    kernel: int = 1
    stride: int = 1
    weights: int = 0
    biases: int = 0
    activation: str = "none"

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image; 1 MAC is 2 operations."""
        height, width, _ = self.weighed_shape
        return height * width * self.weights

    @property
    def weighed_shape(self) -> Shape:
        """Whose positions the weights act on: of what is written, or read if it is transposed."""
        return self.input_shape if self.operation == "transpose_conv" else self.output_shape

    @property
    def weight_bytes(self) -> int:
        """Bytes as full int8: one per kernel element, four per bias."""
        return self.weights + 4 * self.biases


def elements(shape: Shape) -> int:
    """Number of elements of a tensor of this shape, which is its size in bytes as int8."""
    height, width, channels = shape
    return height * width * channels
