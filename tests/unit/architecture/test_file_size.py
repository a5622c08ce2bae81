"""The predicted size of the int8 file, against files that the builder wrote."""

from dataclasses import replace

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.file_size import file_bytes
from edgescale.scaling.variant import ScalingRules, scale

TINY = Baseline(
    "tiny",
    8,
    tuple(
        map(
            parse_block,
            (
                "r1_k3_s11_e4_i8_o8_c1_noskip",
                "r2_k3_s22_e4_i8_o16_c1",
                "r2_k3_s22_e4_i16_o24_c1",
                "r2_k3_s11_e4_i24_o32",
            ),
        )
    ),
    64,
    4,
    32,
    "relu",
)
EDGETPU, LITE = (
    replace(find_baseline(f"efficientnet-{name}"), resolution=32) for name in ("edgetpu", "lite")
)


@pytest.mark.parametrize(
    ("baseline", "phi", "classes", "written"),
    [
        (TINY, -2, 10, 39_272),
        (TINY, 0, 10, 110_344),
        (TINY, 3, 37, 279_584),
        (LITE, -2, 10, 2_269_240),
        (LITE, 0, 1000, 5_243_104),
        (LITE, 2, 100, 7_654_880),
        (EDGETPU, -3, 5, 1_532_216),
        (EDGETPU, 0, 1000, 6_151_000),
        (EDGETPU, 1.3, 77, 8_409_792),
    ],
)
def test_the_prediction_is_a_tight_upper_bound(
    baseline: Baseline, phi: float, classes: int, written: int
) -> None:
    rules = ScalingRules(trim=False)
    predicted = file_bytes(scale(baseline, phi, classes=classes, rules=rules).architecture)
    assert written <= predicted <= 1.003 * written


def test_a_network_that_is_only_planned_has_a_size_too() -> None:
    b0 = scale(find_baseline("efficientnet-b"), 0)
    assert b0.cost.weight_bytes < file_bytes(b0.architecture) < 1.2 * b0.cost.weight_bytes
