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
    """Prepares pictures for one variant; holds what is computed once, and buffers between frames.

    One thread at a time may use it.

    Args:
        preparation: the variant's stored preparation.
    """

    def __init__(self, preparation: Preparation) -> None:
        self.preparation = preparation
        self.shape = (preparation.height, preparation.width, 3)
        self.dtype = np.dtype(preparation.dtype)
        self._values = _values(preparation)
        self._shift = _shift(self._values)
        self._way: _Way | None = None
        self._rgb: Image = np.empty(self.shape if self._shift is None else 0, np.uint8)

    def prepare(self, frame: Image, *, into: NDArray[Any], bgr: bool) -> None:
        """Writes the prepared picture into a tensor or a slot of shared memory.

        Args:
            frame: uint8 (H, W, 3), any size of at least 1x1.
            into: (height, width, 3) of the variant's dtype, overwritten.
            bgr: the channel order of ``frame``: True from OpenCV, False for RGB.
        """
        import cv2

        if self._way is None or self._way.shape != frame.shape:
            self._way = _Way(frame.shape, self.preparation)
        small = self._way.resized(frame)
        rgb = self._rgb if self._shift is None else into.view(np.uint8)
        if bgr:
            cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=rgb)
        else:
            np.copyto(rgb, small)
        if self._shift is None:
            cv2.LUT(rgb, self._values, dst=into)
        elif self._shift:
            np.add(rgb, self._shift, out=rgb)

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


class _Way:
    """Crop and resize from one size of frames: what to cut, and where each step writes.

    Memory for a step's result is taken once. Given back and taken anew for each frame it would be
    cleared by the kernel each time, which costs as much as the colour conversion.
    """

    def __init__(self, shape: tuple[int, ...], preparation: Preparation) -> None:
        self.shape = shape
        top, left, height, width = crop_box(shape[0], shape[1], preparation)
        self._crop = slice(top, top + height), slice(left, left + width)
        self._halves: list[tuple[tuple[slice, slice], tuple[int, int], Image]] = []
        # INTER_AREA by exactly two is fast and keeps fine detail from aliasing; by other ratios it
        # is five to ten times slower than INTER_LINEAR.
        while height > 2 * preparation.height and width > 2 * preparation.width:
            height, width = height // 2, width // 2
            even = slice(2 * height), slice(2 * width)
            self._halves.append((even, (width, height), np.empty((height, width, 3), np.uint8)))
        size = self._size = preparation.width, preparation.height
        self._last = None if (width, height) == size else np.empty((*size[::-1], 3), np.uint8)

    def resized(self, frame: Image) -> Image:
        """Returns the small picture: a view of the frame, or overwritten by the next one."""
        import cv2

        part = frame[self._crop]
        for even, size, half in self._halves:
            part = cv2.resize(part[even], size, dst=half, interpolation=cv2.INTER_AREA)
        if self._last is None:
            return part
        linear = cv2.INTER_LINEAR
        small: Image = cv2.resize(part, self._size, dst=self._last, interpolation=linear)
        return small


def _values(preparation: Preparation) -> NDArray[Any]:
    """Returns the 256 tensor values of the 256 bytes."""
    real: NDArray[Any] = (np.arange(256, dtype=np.float64) - preparation.mean) / preparation.std
    if preparation.dtype == "float32":
        return np.asarray(real, np.float32)
    low, high = _RANGES[preparation.dtype]
    values = np.clip(np.floor(real / preparation.scale + 0.5) + preparation.zero_point, low, high)
    table: NDArray[Any] = values.astype(preparation.dtype)
    return table


def _shift(values: NDArray[Any]) -> np.uint8 | None:
    """Returns what is to be added to each byte, modulo 256, where that gives the tensor's values.

    So it is with most quantised models, 0 for uint8 and 128 for int8; it takes a tenth of the time
    of a look-up.
    """
    if values.dtype.itemsize != 1:
        return None
    as_bytes = values.view(np.uint8)
    every = np.arange(256, dtype=np.uint8)
    return as_bytes[0] if np.array_equal(as_bytes, every + as_bytes[0]) else None
