"""One network counted in three ways: from its layers, from Keras and from the file it becomes."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.scaling.variant import scale
from tools.check_counters import count

pytestmark = pytest.mark.tensorflow

OWN = Baseline(
    "own",
    8,
    (
        parse_block("r1_k3_s11_e4_i8_o8_c1_noskip"),
        parse_block("r2_k5_s22_e3_i8_o20"),
        parse_block("r2_k3_s22_e4_i20_o24_c1"),
    ),
    40,
    4,
    40,
    "relu6",
)
# The last layers' maps stay larger than one pixel, where the converter rewrites additions.
SMALL = {
    name: replace(find_baseline(name), resolution=64)
    for name in ("efficientnet-edgetpu", "efficientnet-lite")
}


@pytest.mark.parametrize("phi", [-1, 0, 1])
@pytest.mark.parametrize("baseline", [*SMALL.values(), OWN], ids=lambda baseline: baseline.name)
def test_the_counters_agree(baseline: Baseline, phi: float, tmp_path: Path) -> None:
    counts = count(scale(baseline, phi, classes=10).architecture, tmp_path, int8=False)
    layers, keras, file = counts.macs
    assert layers == keras == file > 0
    assert counts.trainable[0] == counts.trainable[1]
    assert counts.total[0] == counts.total[1]
    assert counts.folded[0] == counts.folded[1]


def test_the_int8_file_is_as_large_as_predicted(tmp_path: Path) -> None:
    counts = count(scale(OWN, 0, classes=10).architecture, tmp_path, int8=True)
    predicted, written = counts.file_bytes
    assert written <= predicted <= 1.01 * written
    assert counts.agree
