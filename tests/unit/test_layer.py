"""MACs of one layer, and that those of a file's layers add up to the file's own."""

import os
from pathlib import Path

import pytest

from edgescale.edgetpu.flatbuffer import Graph
from edgescale.edgetpu.model_file import model_file_of, read_model_file
from edgescale.errors import ModelFileError
from edgescale.layer import Layer
from tests.mutations import spread_model
from tests.small_graphs import graph, operator, tensor

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
CORAL = DATA / "coral"


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        pytest.param(
            Layer("c", "conv", (), (8, 8, 3), (4, 4, 16), 3, 2, weights=432), 16 * 432, id="conv"
        ),
        pytest.param(
            Layer("t", "transpose_conv", (), (4, 4, 6), (8, 8, 5), 3, 2, weights=270), 16 * 270,
            id="a transposed convolution weighs what it reads",
        ),
        pytest.param(
            Layer("d", "dense", (), (1, 1, 10), (1, 1, 4), weights=40), 40, id="dense"
        ),
        pytest.param(
            Layer("d", "dense", (), (1, 64, 5), (1, 64, 7), weights=35), 64 * 35,
            id="dense over rows",
        ),
        pytest.param(Layer("p", "average_pool", (), (8, 8, 3), (1, 1, 3), 8), 0, id="pool"),
    ],
)  # fmt: skip
def test_macs_of_a_layer(layer: Layer, macs: int) -> None:
    assert layer.macs == macs


def dense_over(*shape: int, units: int = 4) -> Graph:
    weights = tensor("weights", (units, shape[-1]), values=(1,))
    rows = (*shape[:-1], units)
    return graph(
        [tensor("map", shape), tensor("scores", rows), weights],
        [operator("FULLY_CONNECTED", (0, 2), (1,))],
    )


def transposed() -> Graph:
    """A transposed convolution whose output shape is computed, so that it reads two tensors."""
    kernel, shape = tensor("kernel", (5, 3, 3, 6), values=(1,)), tensor("shape", (4,), "int32")
    return graph(
        [tensor("map", (1, 4, 4, 6)), tensor("wide", (1, 8, 8, 5)), kernel, shape],
        [operator("TRANSPOSE_CONV", (3, 2, 0), (1,))],
    )


@pytest.mark.parametrize(
    ("found", "macs", "shapes"),
    [
        pytest.param(dense_over(1, 10), 40, ((1, 1, 10), (1, 1, 4)), id="dense"),
        pytest.param(
            dense_over(1, 3, 2, 10), 6 * 40, ((1, 6, 10), (1, 6, 4)), id="dense over a map"
        ),
        pytest.param(transposed(), 16 * 270, ((4, 4, 6), (8, 8, 5)), id="transposed convolution"),
    ],
)
def test_macs_of_a_graph_are_those_of_its_layers(
    found: Graph, macs: int, shapes: tuple[tuple[int, int, int], ...]
) -> None:
    model = model_file_of(Path("model.tflite"), (found,))
    assert (model.macs, sum(layer.macs for layer in model.layers)) == (macs, macs)
    assert (model.layers[0].input_shape, model.layers[0].output_shape) == shapes


def test_macs_of_a_file_are_those_of_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(spread_model())
    model = read_model_file(path)
    assert [layer.macs for layer in model.layers] == [16 * 270, 64 * 35]
    assert model.macs == 16 * 270 + 64 * 35


def test_an_open_size_of_weights_counts_as_one() -> None:
    weights = tensor("weights", (4, -1), values=(1, 1, 1, 1))
    found = graph(
        [tensor("map", (1, 1)), tensor("scores", (1, 4)), weights],
        [operator("FULLY_CONNECTED", (0, 2), (1,))],
    )
    layer = model_file_of(Path("model.tflite"), (found,)).layers[0]
    assert (layer.input_shape, layer.output_shape, layer.macs) == ((1, 1, 1), (1, 1, 4), 4)


def test_weights_that_write_nothing_are_damage() -> None:
    found = dense_over(1, 10)
    silent = Graph(found.tensors, (operator("FULLY_CONNECTED", (0, 2), ()),), (0,), (1,))
    with pytest.raises(ModelFileError, match="damaged"):
        model_file_of(Path("model.tflite"), (silent,))


@pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")
def test_every_file_at_hand_adds_up() -> None:
    models = {path.name: read_model_file(path) for path in sorted(CORAL.rglob("*.tflite"))}
    assert sum(model.macs > 0 for model in models.values()) >= 7
    sums = {name: sum(layer.macs for layer in model.layers) for name, model in models.items()}
    assert sums == {name: model.macs for name, model in models.items()}
