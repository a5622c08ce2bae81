"""Counts EfficientNet-EdgeTPU S, M and L in full size from layers, from Keras and from the file.

Usage: python tools/check_counters.py [--int8]

MACs of all three are equal, parameters of the first two, weights and biases of the file those of
the layers with normalisation folded in; with --int8 the file is the quantised one, and its size is
compared with the predicted one. Ends with 1 where any differs. About a CPU-minute.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.baseline import find_baseline
from edgescale.architecture.cost import cost_of
from edgescale.architecture.file_size import file_bytes
from edgescale.architecture.network import Architecture
from edgescale.builder.network import export_model, set_weights
from edgescale.builder.network_record import macs_of
from edgescale.builder.quantise import converted
from edgescale.builder.weights import fresh_weights
from edgescale.edgetpu.model_file import read_model_file
from edgescale.layer import Layer
from edgescale.scaling.variant import published


@dataclass(frozen=True)
class Counts:
    """What the three counters find: pairs and triples in the order layers, Keras, file."""

    macs: tuple[int, int, int]
    trainable: tuple[int, int]
    total: tuple[int, int]
    folded: tuple[int, int]  # weights and biases: layers, file
    file_bytes: tuple[int, int]  # predicted for int8, written

    @property
    def agree(self) -> bool:
        """Whether every counter found the same."""
        pairs = (self.macs, self.trainable, self.total, self.folded)
        return all(len(set(counts)) == 1 for counts in pairs)


def count(architecture: Architecture, folder: Path, *, int8: bool) -> Counts:
    """Builds and converts a network with fresh weights, and counts it in three ways."""
    model = export_model(architecture)
    set_weights(model, architecture, _weights(architecture))
    path = folder / "model.tflite"
    path.write_bytes(converted(model, _pictures(architecture.resolution) if int8 else None))
    file, cost = read_model_file(path), cost_of(architecture)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return Counts(
        macs=(cost.macs, macs_of(model), file.macs),
        trainable=(cost.parameters, trainable),
        total=(cost.total_parameters, model.count_params()),
        folded=(_elements(architecture.layers), _elements(file.layers)),
        file_bytes=(file_bytes(architecture), path.stat().st_size),
    )


def _elements(layers: tuple[Layer, ...]) -> int:
    return sum(layer.weights + layer.biases for layer in layers)


def _weights(architecture: Architecture) -> dict[str, NDArray[np.float32]]:
    """Returns fresh weights whose biases differ, as trained ones do: equal ones share a buffer."""
    weights = fresh_weights(architecture, seed=0)
    random = np.random.RandomState(0)
    for name, array in weights.items():
        if name.endswith(("/shift", "/mean", "/bias")):
            weights[name] = random.normal(0, 0.1, array.shape).astype(np.float32)
    return weights


def _pictures(size: int) -> list[NDArray[np.float32]]:
    random = np.random.RandomState(1)
    picture = random.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    picture[0, 0, 0] = -127 / 128, 1, 0
    return [picture]


def main() -> None:
    """Prints a line for each network."""
    agree, int8 = True, sys.argv[1:] == ["--int8"]
    baseline = find_baseline("efficientnet-edgetpu")
    for name in ("s", "m", "l"):
        with tempfile.TemporaryDirectory() as folder:
            counts = count(published(baseline, name).architecture, Path(folder), int8=int8)
        predicted, written = counts.file_bytes
        size = f", file {written:,} B, predicted {predicted:,}" if int8 else ""
        print(
            f"{name}: MACs {' '.join(f'{n:,}' for n in counts.macs)} (layers, Keras, file),"
            f" trainable {' '.join(f'{n:,}' for n in counts.trainable)},"
            f" total {' '.join(f'{n:,}' for n in counts.total)},"
            f" weights and biases {' '.join(f'{n:,}' for n in counts.folded)}{size}:"
            f" {'equal' if counts.agree else 'DIFFERENT'}",
            flush=True,
        )
        agree = agree and counts.agree and (not int8 or written <= predicted <= 1.01 * written)
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
