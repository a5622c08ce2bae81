"""The picture that every measurement uses, so that figures of different days compare."""

import numpy as np
from numpy.typing import NDArray

FRAME_TEXT = "texture 640x480"


def texture() -> NDArray[np.uint8]:
    """Returns the picture that is measured with: uint8 (480, 640, 3), the same every time.

    The time of an int8 network does not depend on what it sees; the size of the frame counts.
    """
    rows, columns = np.mgrid[0:480, 0:640]
    planes = [(rows * 3 + columns * 5) % 256, (rows ^ columns) % 256, (rows * columns // 64) % 256]
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(np.uint8))
