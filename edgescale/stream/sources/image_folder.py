"""Images one after another, and what of a folder is read: images and videos in natural order."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgescale.errors import DataError, StreamError
from edgescale.inference.image_file import IMAGE_SUFFIXES, read_image
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import LARGEST_PICTURE_PX, opencv

# What cameras and programs write and FFmpeg opens; a folder may hold anything else beside them.
_VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ogv", ".ts", ".webm", ".wmv"),
)


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


def pictures_of(folder: Path) -> list[Path]:
    """Returns the images and videos directly in a folder, in natural order; hidden ones are none.

    Raises:
        StreamError: there are none, or the folder cannot be listed.
    """
    wanted = IMAGE_SUFFIXES + _VIDEO_SUFFIXES
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in wanted and path.name[0] != "." and path.is_file()
        ]
    except OSError as problem:
        raise StreamError(f"{folder}: cannot be listed ({problem.strerror})") from problem
    if not found:
        raise StreamError(
            f"{folder}: holds no images or videos; give a folder that holds them directly"
            f" ({' '.join(wanted)})"
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
