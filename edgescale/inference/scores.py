"""From a model's raw output to the top k: which outputs, and how sure.

Works on the quantised numbers and dequantises only what is shown, because it runs for every frame.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 10  # so many times argmax, which takes the first of equals, is faster than to sort
_TAKEN = np.iinfo(np.int64).min


def top_k(
    scores: NDArray[Any], k: int, *, kind: str, scale: float, zero_point: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the output indices and the scores of the k largest, largest first.

    Equal scores go by index, as argmax has it. Only k values are dequantised, except for logits,
    whose softmax needs all of them.

    Args:
        scores: (outputs,) raw output of the model.
        k: how many; fewer come back where there are fewer outputs.
        kind: ``softmax`` or ``logits``: what the output holds.
        scale: of the output; 0 where it is not quantised.
        zero_point: of the output.
    """
    best = _largest(scores, min(k, scores.size))
    if kind == "logits":
        real = dequantised(scores, scale=scale, zero_point=zero_point)
        powers = np.exp(real - real.max())
        return best, powers[best] / powers.sum()
    return best, dequantised(scores[best], scale=scale, zero_point=zero_point)


def dequantised(values: NDArray[Any], *, scale: float, zero_point: int) -> NDArray[np.float64]:
    """Returns real values; widened first, since uint8 minus its zero point would wrap around."""
    if scale == 0:
        return values.astype(np.float64)
    return np.asarray((values.astype(np.int64) - zero_point) * scale, np.float64)


def _largest(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    if scores.dtype.kind == "f":
        return np.argsort(-scores, kind="stable")[:k]
    rest = scores.astype(np.int64)  # the negative of an unsigned score would wrap around
    if k > _FEW:
        return np.argsort(-rest, kind="stable")[:k]
    best = np.empty(k, np.int64)
    for place in range(k):
        best[place] = largest = rest.argmax()
        rest[largest] = _TAKEN
    return best
