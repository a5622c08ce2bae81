from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgescale.family.manifest import Preparation
from edgescale.inference.preparation import Image, Preparer, crop_box

# The values that bytes become: themselves, all moved by a number, or anything else.
KINDS = {
    "uint8 as it is": ("uint8", 128.0, 128.0, 1 / 128, 128),
    "int8": ("int8", 128.0, 128.0, 1 / 128, 0),
    "uint8 cut off at one end": ("uint8", 127.0, 128.0, 1 / 128, 130),
    "uint8 stretched": ("uint8", 120.0, 60.0, 0.02, 128),
    "int8 stretched": ("int8", 127.5, 127.5, 0.0078, -1),
    "float32": ("float32", 127.5, 127.5, 0.0, 0),
}
SIZES = [(480, 640), (33, 31), (32, 32), (1, 1), (3, 200), (129, 128), (480, 640)]


def plainly(frame: Image, preparation: Preparation, *, bgr: bool) -> NDArray[Any]:
    """The preparation as it is defined, step by step, each into new memory."""
    import cv2

    top, left, height, width = crop_box(frame.shape[0], frame.shape[1], preparation)
    part = frame[top : top + height, left : left + width]
    while height > 2 * preparation.height and width > 2 * preparation.width:
        height, width = height // 2, width // 2
        even = part[: 2 * height, : 2 * width]
        part = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    if part.shape[:2] != (preparation.height, preparation.width):
        size = preparation.width, preparation.height
        part = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    real = (part[..., ::-1] if bgr else part).astype(np.float64)
    real = (real - preparation.mean) / preparation.std
    if preparation.dtype == "float32":
        return np.asarray(real, np.float32)
    limits = np.iinfo(preparation.dtype)
    quantised = np.floor(real / preparation.scale + 0.5) + preparation.zero_point
    return np.asarray(np.clip(quantised, limits.min, limits.max), preparation.dtype)


@pytest.mark.parametrize(("kind", "bgr"), list(product(KINDS, (True, False))))
def test_every_bit_is_as_defined_from_frame_to_frame(kind: str, bgr: bool) -> None:
    random = np.random.default_rng(7)
    dtype, mean, std, scale, zero_point = KINDS[kind]
    preparation = Preparation(32, 32, 1.0, mean, std, dtype, scale, zero_point)
    preparer = Preparer(preparation)
    for height, width in SIZES:  # one preparer: sizes change, and its buffers with them
        frame = random.integers(0, 256, (height, width, 3), np.uint8)
        before = frame.copy()
        found = preparer.prepared(frame, bgr=bgr)
        assert found.dtype == dtype
        assert np.array_equal(found, plainly(frame, preparation, bgr=bgr)), (height, width)
        assert np.array_equal(frame, before)


def test_the_picture_before_is_left_alone() -> None:
    preparation = Preparation(32, 32, 1.0, 128.0, 128.0, "uint8", 1 / 128, 128)
    preparer = Preparer(preparation)
    black, white = (np.full((64, 96, 3), value, np.uint8) for value in (0, 255))
    first = preparer.prepared(black, bgr=True)
    preparer.prepared(white, bgr=True)
    assert not first.any()
