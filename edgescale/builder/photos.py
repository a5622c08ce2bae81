"""Calibration pictures cut from the photographs that scikit-image carries.

Calibration needs pictures like those the camera will see, and many: each photograph once is too
few (83 % agreement), a hundred random crops of them are enough.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgescale.builder.packages import package_file
from edgescale.errors import DataError
from edgescale.family.store import sha256_of
from edgescale.inference.image_file import read_image
from edgescale.inference.preparation import Image

# The colour photographs of everyday things; the package's other images are grey, drawn, or seen
# through a telescope or a microscope.
PHOTOS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
FEWEST_PICTURES = 60
_VERSION = "skimage-photos 1"  # goes up when other pictures would come out
_SMALLEST_CROP = 0.15  # of the shorter side
_BRIGHTEST = 1.35


def photo_paths() -> list[Path]:
    """Returns where the photographs lie.

    Raises:
        DataError: scikit-image is not installed.
    """
    return [package_file("skimage", f"data/{name}", DataError) for name in PHOTOS]


def photos_digest() -> str:
    """Returns a digest of the photographs and of how crops are made."""
    digests = [sha256_of(path) for path in photo_paths()]
    return hashlib.sha256(" ".join([_VERSION, *digests]).encode()).hexdigest()


def photo_crops(count: int, seed: int) -> Iterator[Image]:
    """Yields random square crops, half of them flipped, darker or brighter, uint8 RGB."""
    random = np.random.RandomState(seed)
    photos = [read_image(path) for path in photo_paths()]
    for index in range(count):
        yield _crop(photos[index % len(photos)], random)


def _crop(photo: Image, random: np.random.RandomState) -> Image:
    height, width = photo.shape[:2]
    side = int(min(height, width) * random.uniform(_SMALLEST_CROP, 1))
    top = random.randint(0, height - side + 1)
    left = random.randint(0, width - side + 1)
    crop = photo[top : top + side, left : left + side]
    if random.rand() < 0.5:
        crop = crop[:, ::-1]
    gain = np.exp(random.uniform(-np.log(_BRIGHTEST), np.log(_BRIGHTEST)))
    brightened: Image = np.clip(crop * gain + 0.5, 0, 255).astype(np.uint8)
    return brightened
