"""Whether something grows with time: the interval of a line's slope."""

from collections.abc import Sequence

import numpy as np

SPANS = 30
_T95 = 2.048  # Student's t, two-sided 95 %, for SPANS - 2 degrees of freedom


def slope_interval(at_s: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the slope, per second.

    Neighbours resemble each other, so the median of each of thirty spans counts as one value.

    Raises:
        ValueError: fewer values than spans.
    """
    if len(values) < SPANS:
        raise ValueError(f"{len(values)} values; a slope needs at least {SPANS}")
    spans = np.array_split(np.arange(len(values)), SPANS)
    x = np.array([np.mean(np.asarray(at_s)[span]) for span in spans])
    y = np.array([np.median(np.asarray(values)[span]) for span in spans])
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    half = _T95 * float(np.sqrt((rest**2).sum() / (SPANS - 2) / spread))
    return slope - half, slope + half
