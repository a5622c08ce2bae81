"""Published layer tables become the layer records that predictions take."""

import json

import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.edgetpu.latency import predict
from edgescale.edgetpu.layer_table import layers_from_table
from edgescale.errors import ModelFileError
from edgescale.scaling.variant import published
from tests.unit.edgetpu.test_placement import REFERENCE, needs_rows


@needs_rows
def test_a_table_and_the_architecture_give_the_same_prediction() -> None:
    tables = json.loads((REFERENCE / "net_layers.json").read_text("utf-8"))
    table = layers_from_table(tables["EfficientNet-EdgeTPU-S"]["layers"])
    whole = published(find_baseline("efficientnet-edgetpu"), "s", classes=1001).architecture.layers
    own = [layer for layer in whole if layer.operation != "softmax"]  # as the table has it
    assert sum(layer.macs for layer in table) == sum(layer.macs for layer in own)
    assert sum(layer.weights for layer in table) == sum(layer.weights for layer in own)
    found, expected = (predict(layers, "usb3").latency_ms for layers in (table, own))
    assert found == pytest.approx(expected, rel=0.001)


def test_kernels_that_are_no_square_keep_their_taps() -> None:
    (layer,) = layers_from_table(
        [{"op": "conv", "kernel": [1, 7], "stride": 1, "in": [[17, 17, 128]], "out": [17, 17, 160]}]
    )
    assert layer.weights == 7 * 128 * 160
    assert layer.macs == 17 * 17 * 7 * 128 * 160


def test_a_dense_layer_reads_the_whole_map() -> None:
    (layer,) = layers_from_table([{"op": "fc", "in": [[7, 7, 512]], "out": [4096]}])
    assert layer.input_shape == (1, 1, 7 * 7 * 512)
    assert layer.weights == 7 * 7 * 512 * 4096


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"op": "lstm", "in": [[1]], "out": [1]}, id="unknown operation"),
        pytest.param({"op": "conv", "out": [1, 1, 1]}, id="no input"),
        pytest.param({"op": "conv", "in": [], "out": [1, 1, 1]}, id="no shape"),
        pytest.param({"op": "conv", "in": [[8, 8, "3"]], "out": [8, 8, 3]}, id="text"),
        pytest.param({"op": "conv", "in": [[8, -8, 3]], "out": [8, 8, 3]}, id="negative"),
        pytest.param({"op": "conv", "kernel": 3, "in": [[8, 8, 3]], "out": [8, 8, 3]}, id="kernel"),
        pytest.param(["conv"], id="a list"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(record: object) -> None:
    with pytest.raises(ModelFileError, match="layer table cannot be read"):
        layers_from_table([record])  # type: ignore[list-item]
