"""Named weights: fresh, grown from a smaller network, saved and refused."""

from pathlib import Path

import numpy as np
import pytest

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.cost import cost_of
from edgescale.architecture.network import Architecture, build_architecture
from edgescale.builder.weights import (
    check_weights,
    fresh_weights,
    grown_weights,
    load_weights,
    save_weights,
)
from edgescale.errors import WeightsError
from edgescale.family.store import sha256_of

TINY = Baseline(
    "tiny",
    8,
    (parse_block("r1_k3_s11_e4_i8_o8_c1_noskip"), parse_block("r3_k3_s22_e4_i8_o16")),
    16,
    4,
    16,
    "relu",
)


def tiny(width: float = 1) -> Architecture:
    return build_architecture(TINY, width=width, depth=1, resolution=16, classes=3)


def test_fresh_weights_are_as_many_as_were_counted_and_repeat() -> None:
    weights = fresh_weights(tiny(), seed=1)
    assert sum(array.size for array in weights.values()) == cost_of(tiny()).total_parameters
    again = fresh_weights(tiny(), seed=1)
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    other = fresh_weights(tiny(), seed=2)
    assert not np.array_equal(weights["stem_conv/kernel"], other["stem_conv/kernel"])


def test_layers_of_equal_shape_start_different() -> None:
    weights = fresh_weights(tiny(), seed=1)
    one, two = weights["block1_1_expand/kernel"], weights["block1_2_expand/kernel"]
    assert one.shape == two.shape
    assert not np.array_equal(one, two)


def test_a_larger_network_takes_over_what_overlaps() -> None:
    smaller, fresh = fresh_weights(tiny(), seed=1), fresh_weights(tiny(2), seed=2)
    smaller["stem_conv/mean"] = np.full(8, 7, np.float32)
    grown = grown_weights(smaller, fresh)
    check_weights(grown, tiny(2))
    old, new = smaller["block0_0_expand/kernel"], grown["block0_0_expand/kernel"]
    np.testing.assert_array_equal(new[:, :, : old.shape[2], : old.shape[3]], old)
    np.testing.assert_array_equal(
        new[:, :, old.shape[2] :], fresh["block0_0_expand/kernel"][:, :, old.shape[2] :]
    )
    np.testing.assert_array_equal(grown["stem_conv/mean"], [7] * 8 + [0] * 8)


def test_an_equal_network_takes_over_everything() -> None:
    smaller = fresh_weights(tiny(), seed=1)
    grown = grown_weights(smaller, fresh_weights(tiny(), seed=2))
    assert all(np.array_equal(smaller[name], grown[name]) for name in smaller)


def test_saved_weights_come_back_and_equal_weights_give_equal_files(tmp_path: Path) -> None:
    weights = fresh_weights(tiny(), seed=1)
    save_weights(tmp_path / "a.npz", weights)
    save_weights(tmp_path / "b.npz", load_weights(tmp_path / "a.npz"))
    assert sha256_of(tmp_path / "a.npz") == sha256_of(tmp_path / "b.npz")
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a usable weight file"):
        load_weights(tmp_path / "a.npz")


def test_refuses_weights_of_another_network() -> None:
    weights = fresh_weights(tiny(), seed=1)
    with pytest.raises(WeightsError, match="shape"):
        check_weights(weights, tiny(2))
    del weights["stem_conv/kernel"]
    with pytest.raises(WeightsError, match="'stem_conv/kernel' is missing"):
        check_weights(weights, tiny())


def test_refuses_weights_that_are_no_numbers() -> None:
    weights = fresh_weights(tiny(), seed=1)
    weights["classifier/bias"][0] = np.nan
    with pytest.raises(WeightsError, match="finite"):
        check_weights(weights, tiny())
