"""Decodes image files: RGB uint8, or one sentence that names the file."""

from pathlib import Path

import numpy as np

from edgescale.errors import DataError
from edgescale.inference.preparation import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def read_image(path: Path) -> Image:
    """Returns the picture as uint8 (H, W, 3) RGB.

    Grey pictures become three equal channels, 16 bits become 8, and transparency is dropped.

    Raises:
        DataError: it cannot be read or decoded.
    """
    import cv2

    # A file that cannot be decoded is told in our words, and once.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error as problem:
        raise DataError(f"{path}: cannot be decoded ({problem.err})") from problem
    if picture is None:
        raise DataError(f"{path}: not a readable image; replace or remove it")
    rgb: Image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return rgb


def image_files(folder: Path) -> list[Path]:
    """Returns the image files directly in a folder, sorted by name; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        found = sorted(folder.iterdir())
    except OSError as problem:
        raise DataError(f"{folder}: cannot be read ({problem.strerror})") from problem
    return [
        path
        for path in found
        if not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES
    ]
