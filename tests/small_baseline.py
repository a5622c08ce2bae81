"""A baseline of two stages, one of each kind, whose own size lies off the grid of 8 px."""

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import parse_block

SMALL = Baseline(
    name="small",
    stem_filters=8,
    blocks=(parse_block("r1_k3_s11_e4_i8_o8_c1"), parse_block("r2_k3_s22_e4_i8_o16")),
    head_filters=32,
    depth_divisor=4,
    resolution=30,
    activation="relu",
)
