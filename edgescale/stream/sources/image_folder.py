"""Images one after another: those of a folder in natural order, or those that are named."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgescale.errors import DataError, StreamError
from edgescale.inference.image_file import IMAGE_SUFFIXES, is_image_name, read_image
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import LARGEST_PICTURE_PX, opencv


class Images:
    """Every image of a list."""

    fps: float | None = None

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the paths; nothing is read yet."""
        opencv()
        self._paths = paths

    def __iter__(self) -> Iterator[Frame]:
        """Yields each image.

        Raises:
            StreamError: an image that cannot be read.
        """
        for index, path in enumerate(self._paths):
            start_s = time.monotonic()
            try:
                image = read_image(path, bgr=True)
            except DataError as problem:
                raise StreamError(_in_words(path, str(problem))) from problem
            now_s = time.monotonic()
            yield Frame(index, image, now_s, name=path.name, decode_ms=1000 * (now_s - start_s))

    def close(self) -> None:
        """Does nothing: each image is closed when it is read."""


def images_of(folder: Path) -> list[Path]:
    """Returns the images directly in a folder, in natural order.

    Raises:
        StreamError: there are none, or the folder cannot be listed.
    """
    try:
        found = [path for path in folder.iterdir() if is_image_name(path) and path.is_file()]
    except OSError as problem:
        raise StreamError(f"{folder}: cannot be listed ({problem.strerror})") from problem
    if not found:
        raise StreamError(
            f"{folder}: holds no images; give a folder that holds them directly"
            f" ({' '.join(IMAGE_SUFFIXES)})"
        )
    return sorted(found, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Returns a sort key under which ``frame2`` comes before ``frame10``."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return tuple((0, int(digits), "") if digits else (1, 0, text) for digits, text in parts)


def _in_words(path: Path, problem: str) -> str:
    if "CV_IO_MAX_IMAGE_" not in problem:
        return problem
    return (
        f"{path}: has more than {LARGEST_PICTURE_PX / 1e6:.0f} million pixels, the most that are"
        " read; make it smaller"
    )
