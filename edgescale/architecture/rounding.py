"""How real-valued multipliers become whole channels and blocks.

``reference`` does what the published code does (tensorflow/tpu efficientnet_model.py), ceil on
repeats included, and reproduces the published networks. ``nearest`` rounds repeats half up, so that
a small phi is not a large step: with ceil every stage gains a block at phi = 0.01.
"""

import math

from edgescale.errors import ArchitectureError

ROUNDINGS = ("nearest", "reference")


def round_half_up(value: float) -> int:
    """Rounds to the nearest whole number, halves up, after dropping float noise.

    3 * (1 / 1.2) is 2.5 up to the last bits, which must not decide; Python's ``round`` would give
    2 for 2.5 and 4 for 3.5.
    """
    return math.floor(round(value, 9) + 0.5)


def round_filters(filters: int, width_coefficient: float, divisor: int) -> int:
    """Scales a channel count to the nearest multiple of the divisor, never more than 10 % down.

    Source: tensorflow/tpu efficientnet_model.round_filters.
    """
    scaled = round(filters * width_coefficient, 9)
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * scaled:
        rounded += divisor
    return rounded


def round_repeats(repeats: int, depth_coefficient: float, rounding: str) -> int:
    """Scales the number of blocks of a stage.

    Raises:
        ArchitectureError: the stage would vanish, or the rounding is not known.
    """
    if rounding == "reference":
        return math.ceil(repeats * depth_coefficient)
    if rounding != "nearest":
        raise ArchitectureError(f"rounding '{rounding}' is not known; nearest or reference")
    scaled = round_half_up(repeats * depth_coefficient)
    if scaled < 1:
        raise ArchitectureError(
            f"a stage of {repeats} block(s) vanishes at depth coefficient {depth_coefficient:.3f};"
            " use a larger phi, or rounding 'reference', which keeps one block"
        )
    return scaled


def round_resolution(resolution: float, step: int) -> int:
    """Rounds an input size to the nearest multiple of a step, halves up, at least one step."""
    return max(step, round_half_up(resolution / step) * step)
