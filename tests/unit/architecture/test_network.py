"""Layers and costs of the baselines and of scaled networks."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.architecture.baseline import BASELINES, PUBLISHED, Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.network import (
    Architecture,
    build_architecture,
)
from edgescale.architecture.record import architecture_from_dict
from edgescale.errors import ArchitectureError
from edgescale.scaling.variant import published

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "published.json").read_text(encoding="utf-8")
)
COUNTED = ("parameters", "total_parameters", "macs", "weight_bytes")
MEMBERS = [(baseline, name) for baseline in BASELINES for name in GOLDEN[baseline]]


def network(baseline: Baseline, resolution: int = 224) -> Architecture:
    return build_architecture(baseline, width=1, depth=1, resolution=resolution, classes=1000)


@pytest.mark.parametrize(("baseline", "name"), MEMBERS)
def test_published_networks_have_their_published_size(baseline: str, name: str) -> None:
    golden = GOLDEN[baseline][name]
    variant = published(find_baseline(baseline), name)
    counted = {key: getattr(variant.cost, key) for key in COUNTED}
    assert counted == {key: golden[key] for key in COUNTED}
    assert (variant.resolution, variant.dropout) == (golden["resolution"], golden["dropout"])
    millions = golden["published_parameters_millions"]
    assert variant.cost.parameters / 1e6 == pytest.approx(millions, rel=0.02)
    if "published_macs_billions" in golden:  # authors count up to 6 % more or less
        assert variant.cost.macs / 1e9 == pytest.approx(golden["published_macs_billions"], rel=0.06)


def test_the_golden_table_holds_every_published_network() -> None:
    assert {b: list(PUBLISHED[b]) for b in BASELINES} == {b: list(GOLDEN[b]) for b in BASELINES}


def test_int8_weights_have_the_published_size() -> None:
    sizes = [published(find_baseline("efficientnet-edgetpu"), n).cost.weight_bytes for n in "sml"]
    assert [size / 1e6 for size in sizes] == pytest.approx([5.50, 6.97, 10.69], abs=0.01)


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
    assert {block.kernel_size for block in blocks if block.fused} == {3}
    assert {block.kernel_size for block in blocks if not block.fused} == {5}


@pytest.mark.parametrize(
    ("name", "fused", "mbconv", "adds"), [("s", 7, 11, 12), ("m", 10, 14, 17), ("l", 11, 16, 20)]
)
def test_noskip_holds_for_every_block_of_its_stage(
    name: str, fused: int, mbconv: int, adds: int
) -> None:
    net = published(find_baseline("efficientnet-edgetpu"), name).architecture
    layers = net.layers
    assert sum(block.num_repeat for block in net.blocks if block.fused) == fused
    assert sum(layer.operation == "depthwise" for layer in layers) == mbconv
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


@given(st.sampled_from(sorted(BASELINES)), st.floats(0.6, 2.5), st.floats(0.3, 2.5))
@settings(max_examples=30, deadline=None)
def test_blocks_of_a_stage_are_equal_but_for_the_first(
    name: str, depth: float, width: float
) -> None:
    baseline = find_baseline(name)
    net = build_architecture(baseline, width=width, depth=depth, resolution=97, classes=10)
    for block, unscaled in zip(net.blocks, baseline.blocks, strict=True):
        numbers = (block.num_repeat, block.input_filters, block.output_filters)
        assert replace(unscaled, num_repeat=numbers[0], input_filters=numbers[1],
                       output_filters=numbers[2]) == block  # fmt: skip
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
        for layers in later:
            assert layers[0].input_shape == layers[-1].output_shape
            assert all(layer.stride == 1 for layer in layers if layer.operation != "average_pool")


def test_squeeze_and_excite_is_a_share_of_the_declared_input() -> None:
    layers = {layer.name: layer for layer in network(find_baseline("efficientnet-b")).layers}
    first, second = layers["block1_0_se_reduce"], layers["block1_1_se_reduce"]
    assert (first.input_shape[2], first.output_shape[2]) == (16 * 6, 16 // 4)
    assert (second.input_shape[2], second.output_shape[2]) == (24 * 6, 24 // 4)
    assert (first.activation, layers["block1_0_se_expand"].activation) == ("swish", "sigmoid")
    assert layers["block1_0_se_multiply"].inputs == ("block1_0_depthwise", "block1_0_se_expand")
    assert layers["block1_0_project"].inputs == ("block1_0_se_multiply",)


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_json_gives_the_same_network_back(baseline: str) -> None:
    net = network(find_baseline(baseline))
    again = architecture_from_dict(json.loads(json.dumps(net.to_dict())))
    assert again == net
    assert again.digest == net.digest


def test_the_digest_tells_networks_apart_and_stays_the_same() -> None:
    baseline = find_baseline("efficientnet-lite")
    assert network(baseline, 224).digest != network(baseline, 232).digest
    assert network(baseline).digest == network(baseline).digest


@pytest.mark.parametrize(
    ("share", "widths"), [("0.25", (2, 4)), ("0.29", (2, 5)), ("0.01", (1, 1))]
)
def test_the_width_of_squeeze_and_excite_is_cut_to_a_whole_number(
    share: str, widths: tuple[int, int]
) -> None:
    block = parse_block(f"r2_k3_s11_e4_i10_o18_se{share}")
    baseline = Baseline("se", 8, (block,), 8, 2, 16, "swish")
    layers = {layer.name: layer for layer in network(baseline, 16).layers}
    reduced = [layers[f"block0_{index}_se_reduce"].output_shape[2] for index in (0, 1)]
    assert tuple(reduced) == widths


def test_a_written_record_holds_its_version_and_digest() -> None:
    net = network(find_baseline("efficientnet-lite"))
    record = json.loads(json.dumps(net.to_record()))
    assert (record["schema_version"], record["digest"]) == (1, net.digest)
    assert architecture_from_dict(record) == net


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema_version": 2}, "schema version 2 is not known, only 1"),
        ({"digest": "0" * 64}, "its digest is of another network"),
        ({"resolution": 225}, "layers are not those that its blocks make"),
        ({"classes": 999}, "layers are not those that its blocks make"),
        ({"layers": []}, "layers are not those that its blocks make"),
        ({"blocks": ["r1_k3_s11_e1_i32_o16"]}, "layers are not those that its blocks make"),
        ({"blocks": ["r99999_k3_s11_e1_i32_o16"]}, "more than 5,000 layers"),
        ({"head_filters": 0}, "not the record of a network"),
    ],
)
def test_a_record_that_was_changed_is_refused(change: dict[str, object], complaint: str) -> None:
    record = json.loads(json.dumps(network(find_baseline("efficientnet-lite")).to_record()))
    with pytest.raises(ArchitectureError, match=complaint):
        architecture_from_dict({**record, **change})


@pytest.mark.parametrize("record", [None, [], {}, {"layers": 3}, {"layers": [{}]}])
def test_a_record_that_is_no_network_is_refused(record: object) -> None:
    with pytest.raises(ArchitectureError, match="not the record of a network"):
        architecture_from_dict(record)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"blocks": ()}, "no blocks"),
        ({"activation": "gelu"}, "gelu"),
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
