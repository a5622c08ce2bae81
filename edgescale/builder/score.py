"""What a float model answers to live-prepared pictures."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.data import LabelledImages
from edgescale.builder.pixels import normalised
from edgescale.builder.tensorflow_setup import import_tensorflow
from edgescale.family.manifest import Preparation
from edgescale.inference.preparation import Preparer

_BATCH = 64


def top_classes(
    model: Any, part: LabelledImages, preparation: Preparation, k: int
) -> NDArray[np.int64]:
    """Returns the k classes with the largest outputs for each picture, int64 (n, k)."""
    found = [
        np.argsort(-scores, axis=1, kind="stable")[:, :k]
        for scores in _scores(model, part, preparation)
    ]
    return np.concatenate(found).astype(np.int64)


def top1(model: Any, part: LabelledImages, preparation: Preparation) -> float | None:
    """Returns the fraction of pictures that are answered rightly; None where there are none."""
    if not len(part.images):
        return None
    return float(np.mean(top_classes(model, part, preparation, 1)[:, 0] == part.classes))


def _scores(
    model: Any, part: LabelledImages, preparation: Preparation
) -> Iterator[NDArray[np.float32]]:
    """Yields outputs, float32 (B, classes)."""
    tf, _ = import_tensorflow()
    run = tf.function(lambda images: model(images, training=False))
    preparer = Preparer(preparation)
    count = len(part.images)
    for start in range(0, count, _BATCH):
        pictures = [
            preparer.prepared(part.images[index], bgr=False)
            for index in range(start, min(start + _BATCH, count))
        ]
        yield run(normalised(np.stack(pictures))).numpy()
