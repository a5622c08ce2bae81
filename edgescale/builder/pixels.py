"""How pixels become network inputs, in float and in int8: one rule for the whole builder.

The normalisation stands before the network and not in it, so that the int8 input's scale is exactly
1/128 with zero point 127 and raw camera bytes go into the tensor as they are.
"""

import numpy as np
from numpy.typing import NDArray

MEAN = 127.0  # as published (tensorflow/tpu efficientnet/edgetpu and lite)
STD = 128.0
INPUT_SCALE = 1 / 128
INPUT_ZERO_POINT = 127


def normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turns raw pixels into what the network reads: (x - 127) / 128, exact in float32."""
    real: NDArray[np.float32] = pixels.astype(np.float32)
    real -= np.float32(MEAN)
    real /= np.float32(STD)
    return real
