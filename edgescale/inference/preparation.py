"""One picture to one input tensor: the preparation used in training evaluation, calibration and
live video alike, stored with each variant because crop and resize change answers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.family.manifest import Preparation

Image = NDArray[np.uint8]  # (H, W, 3)

_RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


class Preparer:
    """Prepares pictures for one variant; holds what is computed once.

    Args:
        preparation: the variant's stored preparation.
    """

    def __init__(self, preparation: Preparation) -> None:
        self.preparation = preparation
        self.shape = (preparation.height, preparation.width, 3)
        self.dtype = np.dtype(preparation.dtype)
        self._table = _lookup_table(preparation)

    def prepare(self, frame: Image, *, into: NDArray[Any], bgr: bool) -> None:
        """Writes the prepared picture into a tensor or a slot of shared memory.

        Args:
            frame: uint8 (H, W, 3), any size of at least 1x1.
            into: (height, width, 3) of the variant's dtype, overwritten.
            bgr: the channel order of ``frame``: True from OpenCV, False for RGB.
        """
        import cv2

        small = _resized(frame, self.preparation)
        if self._table is None:
            if bgr:
                cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=into)
            else:
                np.copyto(into, small)
            return
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB) if bgr else small
        np.take(self._table, rgb, out=into)

    def prepared(self, frame: Image, *, bgr: bool) -> NDArray[Any]:
        """Returns the prepared picture, (height, width, 3), as a new array."""
        into = np.empty(self.shape, self.dtype)
        self.prepare(frame, into=into, bgr=bgr)
        return into


def crop_box(height: int, width: int, preparation: Preparation) -> tuple[int, int, int, int]:
    """Returns (top, left, height, width) in pixels of the centre crop of a (height, width) picture.

    The largest centred rectangle with the tensor's aspect, times ``crop_fraction``.
    """
    fit = min(height / preparation.height, width / preparation.width) * preparation.crop_fraction
    crop_height = min(height, max(1, round(preparation.height * fit)))
    crop_width = min(width, max(1, round(preparation.width * fit)))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def _resized(frame: Image, preparation: Preparation) -> Image:
    import cv2

    top, left, height, width = crop_box(frame.shape[0], frame.shape[1], preparation)
    part = frame[top : top + height, left : left + width]
    # INTER_AREA by exactly two is fast and keeps fine detail from aliasing; by other ratios it is
    # five to ten times slower than INTER_LINEAR.
    while height > 2 * preparation.height and width > 2 * preparation.width:
        height, width = height // 2, width // 2
        part = cv2.resize(
            part[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA
        )
    if (height, width) == (preparation.height, preparation.width):
        return part
    size = (preparation.width, preparation.height)
    resized: Image = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    return resized


def _lookup_table(preparation: Preparation) -> NDArray[Any] | None:
    """Returns the 256 tensor values of the 256 bytes, or None where they are the bytes."""
    real: NDArray[Any] = (np.arange(256, dtype=np.float64) - preparation.mean) / preparation.std
    if preparation.dtype == "float32":
        return np.asarray(real, np.float32)
    low, high = _RANGES[preparation.dtype]
    values = np.clip(np.floor(real / preparation.scale + 0.5) + preparation.zero_point, low, high)
    if preparation.dtype == "uint8" and np.array_equal(values, np.arange(256)):
        return None
    table: NDArray[Any] = values.astype(preparation.dtype)
    return table
