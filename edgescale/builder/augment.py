"""Random rotation, scale, shift and flip of training pictures, by one warp each.

One cv2.warpAffine goes straight from the source picture to the network's resolution, around the
same centre crop that the live preparation takes, so augmentation costs nothing beside training.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.recipe import TrainingRecipe
from edgescale.inference.preparation import Image


@dataclass(frozen=True)
class Turns:
    """What is done to each picture of an epoch; every array has one value a picture."""

    angle_rad: NDArray[np.float64]
    zoom: NDArray[np.float64]
    shift: NDArray[np.float64]  # (n, 2) x and y, as fractions of the output
    mirror: NDArray[np.float64]  # 1 or -1


def random_turns(count: int, recipe: TrainingRecipe, random: np.random.RandomState) -> Turns:
    """Draws the turns of one epoch."""
    limit = np.deg2rad(recipe.rotate_deg)
    flipped = (random.rand(count) < 0.5) & recipe.flip
    return Turns(
        angle_rad=random.uniform(-limit, limit, count),
        zoom=1 + random.uniform(-recipe.scale, recipe.scale, count),
        shift=random.uniform(-recipe.shift, recipe.shift, (count, 2)),
        mirror=np.where(flipped, -1.0, 1.0),
    )


def reduced(picture: Image, resolution: int, *, crop_fraction: float) -> Image:
    """Halves a picture while its crop is more than twice too large, as the live preparation does.

    The whole picture is kept, because a turn brings in what lies beyond the crop.
    """
    import cv2

    side = math.ceil(round(resolution / crop_fraction, 9))  # whose crop has the resolution
    height, width = picture.shape[:2]
    while height > 2 * side and width > 2 * side:
        height, width = height // 2, width // 2
        even = picture[: 2 * height, : 2 * width]
        half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        picture = np.asarray(half, np.uint8)
    return picture


def turned(
    picture: Image, turns: Turns, index: int, *, resolution: int, crop_fraction: float
) -> Image:
    """Warps one picture to uint8 (resolution, resolution, 3); beyond its edge the edge repeats."""
    import cv2

    height, width = picture.shape[:2]
    side = min(height, width) * crop_fraction
    scale = resolution / side * turns.zoom[index]
    cosine, sine = np.cos(turns.angle_rad[index]), np.sin(turns.angle_rad[index])
    turn = scale * np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([turns.mirror[index], 1])
    centre = np.array([width - 1, height - 1]) / 2
    target = (resolution - 1) / 2 + turns.shift[index] * resolution
    matrix = np.hstack([turn, (target - turn @ centre)[:, None]])
    size = (resolution, resolution)
    warped = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)
