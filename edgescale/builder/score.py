"""What a float model answers to live-prepared pictures."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.data import LabelledImages
from edgescale.builder.pixels import normalised
from edgescale.builder.tensorflow_setup import import_tensorflow
from edgescale.family.manifest import Preparation
from edgescale.inference.preparation import Image, Preparer

_BATCH = 64
_LARGEST_CACHE_BYTES = 2**29


def top_classes(
    model: Any, part: LabelledImages, preparation: Preparation, k: int
) -> NDArray[np.int64]:
    """Returns the k classes with the largest outputs for each picture, int64 (n, k)."""
    return _top_classes(_compiled(model), _batches(part, preparation), k)


def top1(model: Any, part: LabelledImages, preparation: Preparation) -> float | None:
    """Returns the fraction of pictures that are answered rightly; None where there are none."""
    return Top1(model, part, preparation).now() if len(part.images) else None


class Top1:
    """The fraction of the same pictures that a model answers rightly, asked again as it learns.

    The model is compiled once, and the prepared pictures are kept where they fit.
    """

    def __init__(self, model: Any, part: LabelledImages, preparation: Preparation) -> None:
        self._run = _compiled(model)
        self._part, self._preparation = part, preparation
        self._kept: list[NDArray[np.uint8]] | None = None

    def now(self) -> float:
        """Returns the fraction with the model's present weights."""
        found = _top_classes(self._run, self._pictures(), 1)[:, 0]
        return float(np.mean(found == self._part.classes))

    def _pictures(self) -> Iterable[NDArray[np.uint8]]:
        size_bytes = 3 * self._preparation.height**2 * len(self._part.images)
        if size_bytes > _LARGEST_CACHE_BYTES:
            return _batches(self._part, self._preparation)
        if self._kept is None:
            self._kept = list(_batches(self._part, self._preparation))
        return self._kept


def _compiled(model: Any) -> Any:
    tf, _ = import_tensorflow()
    return tf.function(lambda images: model(images, training=False))


def _top_classes(run: Any, batches: Iterable[NDArray[np.uint8]], k: int) -> NDArray[np.int64]:
    scores = (run(normalised(pictures)).numpy() for pictures in batches)
    found = [np.argsort(-outputs, axis=1, kind="stable")[:, :k] for outputs in scores]
    return np.concatenate(found).astype(np.int64)


def _batches(part: LabelledImages, preparation: Preparation) -> Iterator[NDArray[np.uint8]]:
    """Yields prepared pictures, uint8 (B, H, W, 3) RGB."""
    preparer = Preparer(preparation)
    count = len(part.images)
    for start in range(0, count, _BATCH):
        chosen: list[Image] = [
            preparer.prepared(part.images[index], bgr=False)
            for index in range(start, min(start + _BATCH, count))
        ]
        yield np.stack(chosen)
