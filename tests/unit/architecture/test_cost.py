"""Costs: MACs at any resolution, bytes, and the activations alive at one time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.architecture.baseline import BASELINES, PUBLISHED, find_baseline
from edgescale.architecture.cost import cost_of, macs_by_resolution, peak_activation_bytes
from edgescale.architecture.network import INPUT, build_architecture, laid_out
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


@given(st.sampled_from(sorted(BASELINES)), st.integers(1, 700))
def test_macs_at_a_resolution_are_those_of_the_network_laid_out_there(
    baseline: str, resolution: int
) -> None:
    net = published(find_baseline(baseline), next(iter(PUBLISHED[baseline]))).architecture
    there = laid_out(replace(net, resolution=resolution, layers=()))
    assert macs_by_resolution(net)(resolution) == cost_of(there).macs
