"""What accuracies on the same held-out images prove: intervals and a paired test.

Two accuracies of n images each differ by chance; the images on which exactly one of two variants
is right tell more, because the pictures both solve or both miss cancel out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class PairedComparison:
    """One variant against another on the same images.

    ``better`` counts the images that only the second one gets right, ``worse`` those that only the
    first one does; ``p_value`` is the two-sided exact sign test on them.
    """

    first: str
    second: str
    better: int
    worse: int
    p_value: float

    @property
    def resolved(self) -> bool:
        """Says whether the difference is outside noise at 95 %."""
        return self.p_value < 0.05


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Returns the 95 % interval of a fraction (Wilson 1927), which stays within 0 and 1."""
    if n < 1:
        raise ValueError(f"n is {n}; an interval needs at least one image")
    fraction = correct / n
    centre = fraction + _Z95**2 / (2 * n)
    spread = _Z95 * math.sqrt(fraction * (1 - fraction) / n + _Z95**2 / (4 * n * n))
    scale = 1 + _Z95**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def compare(
    first: str, first_right: Sequence[bool], second: str, second_right: Sequence[bool]
) -> PairedComparison:
    """Compares two variants image by image.

    Args:
        first: name of the one.
        first_right: whether it got each image right.
        second: name of the other.
        second_right: the same for it, in the same order of images.

    Raises:
        ValueError: the two lists are not of the same length.
    """
    pairs = list(zip(first_right, second_right, strict=True))
    better = sum(now and not before for before, now in pairs)
    worse = sum(before and not now for before, now in pairs)
    return PairedComparison(first, second, better, worse, sign_test(better, worse))


def sign_test(better: int, worse: int) -> float:
    """Returns the two-sided exact p-value that better and worse are equally likely."""
    n = better + worse
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << n))
