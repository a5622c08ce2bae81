"""A scaled network as a list of layers, without any framework.

Everything downstream is computed from this list: costs, the Keras model, ``architecture.json``. The
four quirks of the published code that the golden parameter counts need are marked where they are.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import BlockArgs, format_block
from edgescale.architecture.rounding import round_filters, round_repeats
from edgescale.errors import ArchitectureError
from edgescale.layer import Layer, Shape

INPUT = "input"  # the name under which layers read the image
STEM_KERNEL = 3
STEM_STRIDE = 2
LARGEST_LAYERS = 5_000
SCHEMA_VERSION = 1  # of architecture.json


class TooLarge(ArchitectureError):
    """A network beyond anything that could be trained or run here; says what would make it less."""


@dataclass(frozen=True)
class Architecture:
    """A network to build: scaled numbers and the layers they make.

    ``blocks`` are the scaled stages, ``layers`` the operations in order with their connections.
    """

    resolution: int
    classes: int
    activation: str
    stem_filters: int
    blocks: tuple[BlockArgs, ...]
    head_filters: int
    layers: tuple[Layer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the network as plain values; what the digest is of."""
        return {
            "resolution": self.resolution,
            "classes": self.classes,
            "activation": self.activation,
            "stem_filters": self.stem_filters,
            "blocks": [format_block(block) for block in self.blocks],
            "head_filters": self.head_filters,
            "layers": [asdict(layer) for layer in self.layers],
        }

    def to_record(self) -> dict[str, Any]:
        """Returns the content of ``architecture.json``."""
        return {"schema_version": SCHEMA_VERSION, "digest": self.digest, **self.to_dict()}

    @cached_property
    def digest(self) -> str:
        """Sha256 in hex of the canonical JSON: equal for equal networks, in every process."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def build_architecture(
    baseline: Baseline,
    *,
    width: float,
    depth: float,
    resolution: int,
    classes: int,
    rounding: str = "nearest",
) -> Architecture:
    """Scales a baseline's stages and lays out its layers.

    Args:
        baseline: the network to scale.
        width: multiplier of channel counts.
        depth: multiplier of repeats.
        resolution: side of the square input in pixels.
        classes: number of outputs.
        rounding: ``nearest`` or ``reference``, see ``rounding``.

    Raises:
        ArchitectureError: a stage would vanish.
        TooLarge: there are too many layers.
    """
    return laid_out(
        scaled_stages(
            baseline,
            width=width,
            depth=depth,
            resolution=resolution,
            classes=classes,
            rounding=rounding,
        )
    )


def scaled_stages(
    baseline: Baseline,
    *,
    width: float,
    depth: float,
    resolution: int,
    classes: int,
    rounding: str = "nearest",
) -> Architecture:
    """Returns the scaled numbers of a network without its layers, in a tenth of the time.

    Two such records are equal exactly if the networks are. Arguments as in ``build_architecture``.

    Raises:
        ArchitectureError: a stage would vanish.
    """
    fixed = baseline.fix_stem_head
    stem = baseline.stem_filters if fixed else _filters(baseline, baseline.stem_filters, width)
    head = baseline.head_filters if fixed else _filters(baseline, baseline.head_filters, width)
    blocks = tuple(
        _scaled_block(baseline, index, width=width, depth=depth, rounding=rounding)
        for index in range(len(baseline.blocks))
    )
    return Architecture(resolution, classes, baseline.activation, stem, blocks, head, ())


def laid_out(stages: Architecture) -> Architecture:
    """Returns the network with the layers that its scaled numbers make.

    Raises:
        TooLarge: there are too many layers.
    """
    layers = tuple(islice(_layers(stages), LARGEST_LAYERS + 1))  # repeats may be millions
    if len(layers) > LARGEST_LAYERS:
        raise TooLarge(
            f"{sum(block.num_repeat for block in stages.blocks):,} blocks make more than"
            f" {LARGEST_LAYERS:,} layers; use fewer repeats"
        )
    return replace(stages, layers=layers)


def _filters(baseline: Baseline, filters: int, width: float) -> int:
    return round_filters(filters, width, baseline.depth_divisor)


def _scaled_block(
    baseline: Baseline, index: int, *, width: float, depth: float, rounding: str
) -> BlockArgs:
    block = baseline.blocks[index]
    ends = index in (0, len(baseline.blocks) - 1)
    repeats = block.num_repeat
    if not (baseline.fix_stem_head and ends):
        repeats = round_repeats(repeats, depth, rounding)
    return replace(
        block,
        num_repeat=repeats,
        input_filters=_filters(baseline, block.input_filters, width),
        output_filters=_filters(baseline, block.output_filters, width),
    )


def _layers(net: Architecture) -> Iterator[Layer]:
    shape: Shape = (net.resolution, net.resolution, 3)
    image = Layer(INPUT, INPUT, (), shape, shape)
    last = _conv("stem_conv", image, net.stem_filters, kernel=STEM_KERNEL, stride=STEM_STRIDE,
                 activation=net.activation)  # fmt: skip
    yield last
    for stage, block in enumerate(net.blocks):
        for index in range(block.num_repeat):
            for layer in _block(f"block{stage}_{index}", last, block, index, net.activation):
                yield layer
            last = layer
    last = _conv("head_conv", last, net.head_filters, activation=net.activation)
    yield last
    yield from _classifier(last, net.classes)


def _block(
    name: str, source: Layer, block: BlockArgs, index: int, activation: str
) -> Iterator[Layer]:
    first = index == 0
    stride = block.stride if first else 1
    # Quirk: the first block expands from the declared width, not from its real input.
    declared = block.input_filters if first else block.output_filters
    expanded = declared * block.expand_ratio
    last = source
    if block.fused:
        last = _conv(f"{name}_expand", last, expanded, kernel=block.kernel_size, stride=stride,
                     activation=activation)  # fmt: skip
        yield last
    else:
        if block.expand_ratio != 1:
            last = _conv(f"{name}_expand", last, expanded, activation=activation)
            yield last
        last = _depthwise(f"{name}_depthwise", last, block.kernel_size, stride, activation)
        yield last
    if block.se_ratio:
        # Quirk: its width is a share of the block's declared input, not of the expansion.
        squeezed = max(1, int(declared * block.se_ratio))
        for layer in _squeeze_and_excite(name, last, squeezed, activation):
            yield layer
        last = layer
    last = _conv(f"{name}_project", last, block.output_filters)
    yield last
    # Quirks: `noskip` holds for every block of its stage; otherwise the real shapes decide.
    if block.id_skip and source.output_shape == last.output_shape:
        yield Layer(f"{name}_add", "add", (source.name, last.name), last.output_shape,
                    last.output_shape)  # fmt: skip


def _conv(
    name: str,
    source: Layer,
    filters: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    activation: str = "none",
) -> Layer:
    height, width, channels = source.output_shape
    return Layer(
        name=name,
        operation="conv",
        inputs=(source.name,),
        input_shape=source.output_shape,
        output_shape=(-(-height // stride), -(-width // stride), filters),  # padding 'same'
        kernel=kernel,
        stride=stride,
        weights=kernel * kernel * channels * filters,
        biases=filters,
        activation=activation,
    )


def _depthwise(name: str, source: Layer, kernel: int, stride: int, activation: str) -> Layer:
    channels = source.output_shape[2]
    full = _conv(name, source, channels, kernel=kernel, stride=stride, activation=activation)
    return replace(full, operation="depthwise", weights=kernel * kernel * channels)


def _squeeze_and_excite(
    name: str, source: Layer, squeezed: int, activation: str
) -> Iterator[Layer]:
    """Weighs the channels by what the whole picture holds (Hu et al. 2018, arXiv 1709.01507)."""
    pool = _pool(f"{name}_se_pool", source)
    reduce = _dense(f"{name}_se_reduce", pool, squeezed, activation)
    expand = _dense(f"{name}_se_expand", reduce, source.output_shape[2], "sigmoid")
    yield from (pool, reduce, expand)
    yield Layer(f"{name}_se_multiply", "multiply", (source.name, expand.name),
                source.output_shape, source.output_shape)  # fmt: skip


def _classifier(source: Layer, classes: int) -> Iterator[Layer]:
    pool = _pool("pool", source)
    dense = _dense("classifier", pool, classes)
    yield from (pool, dense)
    yield Layer("softmax", "softmax", (dense.name,), dense.output_shape, dense.output_shape)


def _pool(name: str, source: Layer) -> Layer:
    height, _, channels = source.output_shape
    return Layer(name, "average_pool", (source.name,), source.output_shape, (1, 1, channels),
                 kernel=height, stride=height)  # fmt: skip


def _dense(name: str, source: Layer, outputs: int, activation: str = "none") -> Layer:
    return Layer(name, "dense", (source.name,), source.output_shape, (1, 1, outputs),
                 weights=source.output_shape[2] * outputs, biases=outputs,
                 activation=activation)  # fmt: skip
