"""Where frames come from: a camera, a video file, an image or a folder of images.

The one file that reads video through OpenCV. OpenCV answers "end of file", "damaged" and "no such
file" alike with False, so the kind of the source decides what a False means.
"""

import errno
import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edgescale.errors import DataError, SourceLost, SourceNotFound, StreamError
from edgescale.inference.image_file import IMAGE_SUFFIXES, is_image_name, read_image
from edgescale.inference.preparation import Image
from edgescale.stream.camera import Camera
from edgescale.stream.ffmpeg import ffmpeg_path
from edgescale.stream.frame import Frame

log = logging.getLogger(__name__)

_OPEN_TIMEOUT_MS = 10_000
_READ_TIMEOUT_MS = 10_000
# Containers that estimate their frame count may miss by a frame or two; a cut misses by more.
_FEWEST_MISSING = 5
_LARGEST_MISSING_SHARE = 0.05


class Source(Protocol):
    """Frames one after another; ``live`` sources give the newest, others give every frame."""

    name: str
    live: bool
    fps: float | None

    @property
    def dropped(self) -> int:
        """Returns how many frames nobody saw."""

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames."""

    def close(self) -> None:
        """Frees the camera or file."""


def open_source(source: str | Path) -> Source:
    """Opens ``0``, ``/dev/video0``, a video file, an image or a folder of images.

    Raises:
        SourceNotFound: there is no such camera, file or folder.
        StreamError: it is there but holds no pictures.
    """
    text = str(source)
    camera = re.fullmatch(r"(?:/dev/video)?(\d{1,3})", text)
    if camera and not os.path.isfile(text) and not os.path.isdir(text):  # noqa: PTH112, PTH113
        return Camera(text, lambda: _CameraCapture(text, int(camera[1])))
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise StreamError(f"source '{text}': cannot be read ({problem.strerror})") from problem
        raise SourceNotFound(
            f"source '{text}': no such file, folder or camera; give a camera number such as 0,"
            " /dev/video0, a video file, an image or a folder of images"
        ) from problem
    if stat.S_ISDIR(mode):
        return ImageFolder(path)
    if not stat.S_ISREG(mode):
        raise SourceNotFound(f"source '{text}': is no file, folder or camera (/dev/video<N>)")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFolder(path)
    return VideoFile(path)


class ImageFolder:
    """The images of a folder in natural order (2 before 10), or one image."""

    live = False
    fps: float | None = None
    dropped = 0

    def __init__(self, path: Path) -> None:
        """Lists the images.

        Raises:
            StreamError: there are none, or the folder cannot be listed.
        """
        self.name = str(path)
        _opencv()
        try:
            self._paths = [path] if path.is_file() else _images_in(path)
        except OSError as problem:
            raise StreamError(f"{path}: cannot be listed ({problem.strerror})") from problem
        if not self._paths:
            raise StreamError(
                f"{path}: holds no images; give a folder that holds them directly"
                f" ({' '.join(IMAGE_SUFFIXES)})"
            )

    def __iter__(self) -> Iterator[Frame]:
        """Yields each image.

        Raises:
            StreamError: an image that cannot be read.
        """
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path, bgr=True)
            except DataError as problem:
                raise StreamError(str(problem)) from problem
            yield Frame(index, image, time.monotonic(), name=path.name)

    def close(self) -> None:
        """Does nothing: each image is closed when it is read."""


class VideoFile:
    """Every frame of a video file."""

    live = False
    dropped = 0

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            StreamError: empty, or nothing that can be decoded.
        """
        self.name = str(path)
        _refuse_what_is_no_video(path)
        cv2 = _opencv()
        self._cv2 = cv2
        self._capture = cv2.VideoCapture(
            ffmpeg_path(path, StreamError),
            cv2.CAP_FFMPEG,
            [
                *(cv2.CAP_PROP_N_THREADS, 1),  # more would take cores from the interpreter
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS),
            ],
        )
        if not self._capture.isOpened():
            raise StreamError(
                f"{path}: cannot be opened as video: it has no picture track, is damaged, or was"
                " cut off while it was written; check that a player plays it"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if 0 < fps <= 1000 else None

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame in order.

        Raises:
            StreamError: there is no frame at all, or one of a kind that is not known.
            SourceLost: the file ends long before the length it announces.
        """
        index, position_s = 0, 0.0
        hole = _Hole()
        while True:
            try:
                good, image = self._capture.read()
            except self._cv2.error as problem:
                raise SourceLost(f"{self.name}: frame {index} cannot be decoded") from problem
            if not good or image is None:
                break
            now_s = time.monotonic()
            before_s = position_s
            position_s = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            hole = max(hole, _Hole(position_s - before_s, before_s))
            yield Frame(index, _bgr(image, self.name), now_s, position_s=position_s)
            index += 1
        self._check_end(index, position_s, hole)

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()

    def _check_end(self, frames: int, position_s: float, hole: "_Hole") -> None:
        """FFmpeg ends a damaged file as it ends a whole one; the announced length tells."""
        if frames == 0:
            raise StreamError(
                f"{self.name}: opens as video but gives no frame; it is damaged or of a codec that"
                " this OpenCV cannot decode"
            )
        announced = self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)
        if not frames < announced < 1e9:
            return
        missing = announced - frames
        length_s = announced / self.fps if self.fps else 0.0
        few = missing <= max(_FEWEST_MISSING, _LARGEST_MISSING_SHARE * announced)
        # With a variable frame rate the announced count is length times rate, and may be far off
        # while the last frame is where the file ends.
        at_end = self.fps is None or position_s >= (1 - _LARGEST_MISSING_SHARE) * length_s
        text = f"{self.name}: ends after {frames} frames, but announces {announced:.0f}"
        if few or at_end:
            self._tell_hole(text, hole, few)
            return
        raise SourceLost(
            f"{text}: it is damaged or cut off at {position_s:.1f} s of {length_s:.1f} s; the"
            " frames until there were classified"
        )

    def _tell_hole(self, text: str, hole: "_Hole", few: bool) -> None:
        """Says how much is missing in the middle; a screen recording has such holes unharmed."""
        if few or self.fps is None or hole.length_s * self.fps <= _FEWEST_MISSING:
            log.info("%s", text)
            return
        log.warning(
            "%s: there is no frame from %.1f s on for %.1f s; it is damaged there, unless its"
            " frame rate varies",
            *(text, hole.start_s, hole.length_s),
        )


class _Hole(NamedTuple):
    """The time between two frames of a file; the longest is the largest tuple."""

    length_s: float = 0.0
    start_s: float = 0.0


class _CameraCapture:
    """A V4L2 camera through OpenCV."""

    def __init__(self, name: str, number: int) -> None:
        cv2 = _opencv()
        self._cv2 = cv2
        self._name = name
        self._capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            device = Path(f"/dev/video{number}")
            why = "cannot be opened; it is in use, or your user is not in its group (video)"
            if not device.exists():
                why = f"there is no {device}; list the cameras with: ls /dev/video*"
            raise SourceNotFound(f"camera {name}: {why}")

    def read(self) -> Image | None:
        try:
            good, image = self._capture.read()
        except self._cv2.error as problem:
            raise SourceLost(f"camera {self._name}: a frame cannot be decoded") from problem
        return _bgr(image, self._name) if good and image is not None else None

    def release(self) -> None:
        self._capture.release()


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Returns a sort key under which ``frame2`` comes before ``frame10``."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return tuple((0, int(digits), "") if digits else (1, 0, text) for digits, text in parts)


def _images_in(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if is_image_name(path))
    return sorted((path for path in found if path.is_file()), key=lambda p: natural_key(p.name))


def _refuse_what_is_no_video(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as problem:
        raise StreamError(f"{path}: cannot be read ({problem.strerror})") from problem
    if not head:
        raise StreamError(f"{path}: is empty (0 bytes); give a video, an image or a folder")
    # FFmpeg draws text files as if typed on a terminal, and follows the addresses of playlists.
    if b"\0" not in head and all(byte in b"\t\n\r\f" or byte >= 32 for byte in head):
        raise StreamError(f"{path}: is a text file, not a video; give a video, image or folder")


def _bgr(image: Any, name: str) -> Image:
    """Returns uint8 (H, W, 3) BGR; grey and four-channel frames are converted."""
    cv2 = _opencv()
    if image.dtype != "uint8":
        raise StreamError(f"{name}: frames of {image.dtype} are not known; expected 8 bits")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return image  # type: ignore[no-any-return]
    conversions = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
    if channels not in conversions:
        raise StreamError(f"{name}: frames of {channels} channels are not known; expected 1, 3, 4")
    return cv2.cvtColor(image, conversions[channels])  # type: ignore[no-any-return]


def _opencv() -> Any:
    """Imports OpenCV, quiet and on one thread: its messages are ours to give."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.setNumThreads(1)  # at these sizes more threads cost and gain nothing
    return cv2
