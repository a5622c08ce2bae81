"""Costs: MACs at any resolution, bytes, and the activations alive at one time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.architecture.baseline import BASELINES, PUBLISHED, Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.cost import (
    LARGEST_ACTIVATION_BYTES,
    LARGEST_PARAMETERS,
    bounded_cost,
    cost_of,
    macs_by_resolution,
    peak_activation_bytes,
)
from edgescale.architecture.network import (
    INPUT,
    LARGEST_LAYERS,
    Architecture,
    TooLarge,
    build_architecture,
    laid_out,
)
from edgescale.layer import Layer, elements
from edgescale.scaling.variant import published


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
    net = published(find_baseline("efficientnet-edgetpu"), "s").architecture
    assert cost_of(net).weight_bytes == sum(
        layer.weights + 4 * layer.biases for layer in net.layers
    )


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_activations_are_those_of_every_tensor_still_to_be_read(baseline: str) -> None:
    layers = build_architecture(
        find_baseline(baseline), width=1, depth=1, resolution=97, classes=10
    ).layers
    sizes = {INPUT: elements(layers[0].input_shape)}
    sums = []
    for index, layer in enumerate(layers):
        sizes[layer.name] = elements(layer.output_shape)
        still_read = {name for later in layers[index:] for name in later.inputs}
        alive = (still_read & set(sizes)) | {layer.name}
        sums.append(sum(sizes[name] for name in alive))
    assert peak_activation_bytes(layers) == max(sums)


def test_the_largest_network_is_still_one() -> None:
    shape = (1, 1, 1)
    full = Layer("a", "dense", ("input",), shape, shape, weights=LARGEST_PARAMETERS)
    net = replace(published(find_baseline("efficientnet-lite"), "lite0").architecture, layers=())
    assert bounded_cost(replace(net, layers=(full,))).parameters == LARGEST_PARAMETERS
    with pytest.raises(TooLarge, match="1,000,000,001 parameters are more than"):
        bounded_cost(replace(net, layers=(replace(full, biases=1),)))
    half = (1, 1, LARGEST_ACTIVATION_BYTES // 2)
    wide = Layer("a", "softmax", ("input",), half, half)
    assert bounded_cost(replace(net, layers=(wide,))).peak_activation_bytes == 4 * 2**30
    more = replace(wide, output_shape=(1, 1, half[2] + 1))
    with pytest.raises(TooLarge, match="GiB of activations are more than 4 GiB"):
        bounded_cost(replace(net, layers=(more,)))


@pytest.mark.parametrize(("repeats", "fits"), [(1665, True), (1666, False)])
def test_the_most_layers_are_counted_exactly(repeats: int, fits: bool) -> None:
    block = parse_block(f"r{repeats}_k3_s11_e1_i8_o8")  # 3 layers each; 5 are around them
    baseline = replace(find_baseline("efficientnet-lite"), blocks=(block,), stem_filters=8)
    if fits:
        assert len(build(baseline).layers) == LARGEST_LAYERS
    else:
        with pytest.raises(TooLarge, match="1,666 blocks make more than 5,000 layers"):
            build(baseline)


def build(baseline: Baseline) -> Architecture:
    return build_architecture(baseline, width=1, depth=1, resolution=8, classes=2)


@given(st.sampled_from(sorted(BASELINES)), st.integers(1, 700))
def test_macs_at_a_resolution_are_those_of_the_network_laid_out_there(
    baseline: str, resolution: int
) -> None:
    net = published(find_baseline(baseline), next(iter(PUBLISHED[baseline]))).architecture
    there = laid_out(replace(net, resolution=resolution, layers=()))
    assert macs_by_resolution(net)(resolution) == cost_of(there).macs
