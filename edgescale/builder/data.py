"""What the builder asks of data: labelled images in three parts, the same for every source.

Training images may differ by epoch; validation and test images never do. The digest stands for
everything the images depend on and goes into the keys of the stages that use them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.recipe import DataRecipe
from edgescale.errors import DataError
from edgescale.inference.preparation import Image


@dataclass(frozen=True)
class LabelledImages:
    """Images, uint8 (H, W, 3) RGB each, and the class index of each, int64 (n,)."""

    images: Sequence[Image]
    classes: NDArray[np.int64]


class Data(Protocol):
    """A source of labelled images."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class."""

    @property
    def digest(self) -> str:
        """A sha256 in hex over all that the images depend on."""

    def training(self, epoch: int) -> LabelledImages:
        """Returns the training images of one epoch."""

    def validation(self) -> LabelledImages:
        """Returns the images on which training is watched."""

    def test(self) -> LabelledImages:
        """Returns the held-out images on which accuracy is reported."""


def open_data(recipe: DataRecipe) -> Data:
    """Opens the data that a recipe names.

    Raises:
        DataError: a missing package or folder, or classes that cannot be trained on.
    """
    if recipe.folder is not None:
        from edgescale.builder.class_folders import ClassFolders

        return ClassFolders.scan(recipe.folder, recipe)
    if recipe.dataset == "cluttered-digits":
        from edgescale.builder.cluttered_digits import ClutteredDigits

        return ClutteredDigits.installed(recipe.seed)
    raise DataError(f"there is no dataset '{recipe.dataset}'")
