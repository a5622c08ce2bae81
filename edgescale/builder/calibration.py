"""The representative images a network is quantised with, prepared as every live picture is.

Any set of photographs may hold no pure black or white; then the input's scale comes out beside
1/128 and raw camera bytes could no longer go in as they are. So one more picture holds both ends.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.data import Data
from edgescale.builder.photos import photo_crops
from edgescale.builder.pixels import normalised
from edgescale.builder.recipe import QuantisationRecipe
from edgescale.errors import DataError
from edgescale.inference.preparation import Image, Preparer


def representative_pictures(recipe: QuantisationRecipe, data: Data | None) -> Iterator[Image]:
    """Yields the pictures that a recipe names, uint8 (H, W, 3) RGB.

    Raises:
        DataError: the pictures are not there.
    """
    if recipe.dataset == "skimage-photos":
        yield from photo_crops(recipe.images, recipe.seed)
        return
    if data is None:
        raise DataError("there are no training images to calibrate with; name skimage-photos")
    images = data.training(epoch=0).images
    random = np.random.RandomState(recipe.seed)
    chosen = random.permutation(len(images))[: recipe.images]
    for index in chosen:
        yield images[int(index)]


def representative_dataset(
    pictures: Iterator[Image], preparer: Preparer
) -> Iterator[NDArray[np.float32]]:
    """Yields network inputs, float32 (1, height, width, 3), last the one with both ends."""
    for picture in pictures:
        yield normalised(preparer.prepared(picture, bgr=False))[None]
    extremes = np.zeros(preparer.shape, np.uint8)
    extremes[: preparer.shape[0] // 2] = 255
    yield normalised(extremes)[None]
