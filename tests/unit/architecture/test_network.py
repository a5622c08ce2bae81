"""Layers and costs of the baselines and of scaled networks."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edgescale.architecture.baseline import BASELINES, Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.cost import cost_of, peak_activation_bytes
from edgescale.architecture.network import (
    Architecture,
    architecture_from_dict,
    build_architecture,
)
from edgescale.errors import ArchitectureError
from edgescale.layer import Layer
from edgescale.scaling.variant import published

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "published.json").read_text(encoding="utf-8")
)
MEMBERS = [(baseline, name) for baseline in BASELINES for name in GOLDEN[baseline]]


def network(baseline: Baseline, resolution: int = 224) -> Architecture:
    return build_architecture(baseline, width=1, depth=1, resolution=resolution, classes=1000)


@pytest.mark.parametrize(("baseline", "name"), MEMBERS)
def test_published_networks_have_their_published_size(baseline: str, name: str) -> None:
    golden = GOLDEN[baseline][name]
    variant = published(find_baseline(baseline), name)
    assert variant.cost.parameters == golden["parameters"]
    assert variant.cost.macs == golden["macs"]
    assert variant.resolution == golden["resolution"]
    millions = golden["published_parameters_millions"]
    assert variant.cost.parameters / 1e6 == pytest.approx(millions, rel=0.012)


def test_edgetpu_with_background_class_has_the_published_total() -> None:
    variants = [published(find_baseline("efficientnet-edgetpu"), n, classes=1001) for n in "sml"]
    assert [v.cost.parameters for v in variants] == [5439673, 6900777, 10591249]
    assert [v.cost.total_parameters for v in variants] == [5491113, 6968585, 10683457]


def test_the_edgetpu_baseline_is_the_one_of_the_patent() -> None:
    blocks = BASELINES["efficientnet-edgetpu"].blocks
    assert sum(block.num_repeat for block in blocks if block.fused) == 7
    assert sum(block.num_repeat for block in blocks if not block.fused) == 11
    operations = Counter(
        layer.operation for layer in network(find_baseline("efficientnet-edgetpu")).layers
    )
    assert operations["depthwise"] == 11
    assert operations["add"] == 12


@pytest.mark.parametrize(("name", "adds"), [("m", 17), ("l", 20)])
def test_noskip_holds_for_every_block_of_its_stage(name: str, adds: int) -> None:
    layers = published(find_baseline("efficientnet-edgetpu"), name).architecture.layers
    assert sum(layer.operation == "add" for layer in layers) == adds
    assert not any(layer.name.startswith("block0") for layer in layers if layer.operation == "add")


def test_l_has_the_published_widths_and_repeats() -> None:
    net = published(find_baseline("efficientnet-edgetpu"), "l").architecture
    assert [block.output_filters for block in net.blocks] == [32, 40, 56, 112, 176, 232]
    assert [block.num_repeat for block in net.blocks] == [2, 3, 6, 7, 6, 3]
    assert (net.stem_filters, net.head_filters) == (40, 1536)


def test_the_first_block_expands_from_its_declared_width() -> None:
    layers = {layer.name: layer for layer in network(find_baseline("efficientnet-edgetpu")).layers}
    assert layers["block0_0_expand"].input_shape[2] == 32
    assert layers["block0_0_expand"].output_shape[2] == 24 * 4


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_layers_join(baseline: str) -> None:
    layers = network(find_baseline(baseline), 97).layers
    shapes = {"input": layers[0].input_shape}
    for layer in layers:
        assert all(name in shapes for name in layer.inputs)
        assert shapes[layer.inputs[0]] == layer.input_shape
        assert layer.name not in shapes
        shapes[layer.name] = layer.output_shape


def test_blocks_of_a_stage_are_equal_but_for_the_first() -> None:
    net = published(find_baseline("efficientnet-edgetpu"), "l").architecture
    for stage, block in enumerate(net.blocks):
        later = [
            [
                replace(layer, name="", inputs=())
                for layer in net.layers
                if layer.name.startswith(f"block{stage}_{index}_")
            ]
            for index in range(1, block.num_repeat)
        ]
        assert all(before == after for before, after in pairwise(later))


def test_peak_activations_are_those_of_the_first_fused_block() -> None:
    for name, expected in (("s", 112 * 112 * 128), ("m", 120 * 120 * 128)):
        cost = published(find_baseline("efficientnet-edgetpu"), name).cost
        assert cost.peak_activation_bytes == expected


def test_a_residual_keeps_its_input_alive() -> None:
    shape = (4, 4, 8)
    layers = [
        Layer("a", "conv", ("input",), shape, shape),
        Layer("b", "conv", ("a",), shape, shape),
        Layer("c", "add", ("a", "b"), shape, shape),
    ]
    assert peak_activation_bytes(layers) == 3 * 128
    assert peak_activation_bytes(layers[:2]) == 2 * 128


def test_one_convolution_costs_what_it_must() -> None:
    layer = Layer("a", "conv", ("input",), (8, 8, 3), (4, 4, 16), kernel=3, stride=2,
                  weights=3 * 3 * 3 * 16, biases=16)  # fmt: skip
    assert layer.macs == 4 * 4 * 16 * 27
    assert layer.weight_bytes == 432 + 64


def test_weight_bytes_are_one_an_element_and_four_a_bias() -> None:
    net = network(find_baseline("efficientnet-edgetpu"))
    assert cost_of(net).weight_bytes == sum(
        layer.weights + 4 * layer.biases for layer in net.layers
    )


def test_json_gives_the_same_network_back() -> None:
    net = network(find_baseline("efficientnet-lite"))
    again = architecture_from_dict(json.loads(json.dumps(net.to_dict())))
    assert again == net
    assert again.digest == net.digest


def test_the_digest_tells_networks_apart_and_stays_the_same() -> None:
    baseline = find_baseline("efficientnet-lite")
    assert network(baseline, 224).digest != network(baseline, 232).digest
    assert network(baseline).digest == network(baseline).digest


@pytest.mark.parametrize("record", [None, [], {}, {"layers": 3}, {"layers": [{}]}])
def test_a_record_that_is_no_network_is_refused(record: object) -> None:
    with pytest.raises(ArchitectureError, match="not the record of a network"):
        architecture_from_dict(record)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"blocks": ()}, "no blocks"),
        ({"activation": "swish"}, "swish"),
        ({"stem_filters": 0}, "stem_filters"),
        ({"resolution": -8}, "resolution"),
        ({"blocks": (parse_block("r1_k3_s11_e1_i8_o16"), parse_block("r1_k3_s11_e1_i8_o8"))}, "i8"),
    ],
)
def test_a_baseline_that_is_no_network_is_refused(
    change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ArchitectureError, match=complaint):
        replace(find_baseline("efficientnet-lite"), **change)  # type: ignore[arg-type]


def test_an_unknown_baseline_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ArchitectureError, match="efficientnet-edgetpu"):
        find_baseline("resnet")
