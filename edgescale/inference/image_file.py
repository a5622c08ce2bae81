"""Decodes image files to uint8, or one sentence that names the file.

The one reader of images, for data and live path alike: OpenCV is given bytes and never a path, for
it crashes on names that are not UTF-8, and it takes a JPEG that was cut off for a whole one.
"""

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.errors import DataError
from edgescale.inference.preparation import Image

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# JPEG markers, ITU-T T.81 table B.1. Within a scan FF is followed by 00 or a restart marker, so an
# end marker found after the first scan's head is one.
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA


def read_image(path: Path, *, bgr: bool = False) -> Image:
    """Returns the picture as uint8 (H, W, 3), RGB or in OpenCV's order BGR.

    Grey pictures become three equal channels, 16 bits become 8, and transparency is dropped.

    Raises:
        DataError: it cannot be read or decoded, or is cut off.
    """
    import cv2

    # A file that cannot be decoded is told in our words, and once.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    content = _content(path)
    if _is_cut_off_jpeg(content.tobytes()):
        raise DataError(f"{path}: is cut off (a JPEG without its end); replace or remove it")
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error as problem:
        raise DataError(f"{path}: cannot be decoded ({problem.err})") from problem
    if picture is None:
        raise DataError(f"{path}: not a readable image; replace or remove it")
    image: Image = picture if bgr else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return image


def image_files(folder: Path) -> list[Path]:
    """Returns the image files directly in a folder, sorted by name; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        found = sorted(folder.iterdir())
    except OSError as problem:
        raise DataError(f"{folder}: cannot be read ({problem.strerror})") from problem
    return [path for path in found if is_image_name(path)]


def is_image_name(path: Path) -> bool:
    """Says by its name whether a file is an image; hidden ones are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _content(path: Path) -> NDArray[Any]:
    """Returns the bytes of a file, uint8 (n,); a pipe or device might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: is not a file; replace or remove it")
        return np.fromfile(path, np.uint8)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror or problem})") from problem


def _is_cut_off_jpeg(content: bytes) -> bool:
    """Looks for the end marker after the first scan's head: a thumbnail before it has one too."""
    if not content.startswith(_JPEG_START):
        return False
    place = len(_JPEG_START)
    while place + 4 <= len(content) and content[place] == 0xFF:
        if content[place + 1] == _JPEG_SCAN:
            return content.find(_JPEG_END, place) < 0
        is_fill = content[place + 1] == 0xFF
        place += 1 if is_fill else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False  # damaged before its picture begins; the decoder will say so
