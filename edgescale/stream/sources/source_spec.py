"""What a user says of a source, and what every source says of itself.

The description is complete before anything is opened: a wrong value is refused before a camera
lights up, and the same record comes from the command line, from a file and from Python.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgescale.errors import StreamError
from edgescale.stream.frame import Frame
from edgescale.stream.sources.address import STDIN, mistake, redacted

_NAMED = re.compile(r"(?P<name>[A-Za-z][\w-]{0,31})=(?P<address>.+)", re.DOTALL | re.ASCII)
# What stands before the address cannot be a part of a URL, so it holds no password.
_BADLY_NAMED = re.compile(r"(?P<name>[^:/?#@]*)=[A-Za-z][A-Za-z0-9+.-]*:/.*", re.DOTALL)
_ROTATIONS = (0, 90, 180, 270)


@dataclass(frozen=True)
class SourceSpec:
    """One source, as the user describes it.

    Attributes:
        address: camera number, /dev/videoN, file, folder, glob, URL, or ``-`` for MJPEG on stdin.
        name: what it is called in every output; where none is given, the address without its
            credentials.
        roi: (x, y, width, height) in pixels of its pictures before they are turned; None is all.
        rotate: 0, 90, 180 or 270 degrees clockwise.
        max_fps: frames per second at most; of a video file, per second of the video.
        size: (width, height) a camera is asked for. Cameras on V4L2 only, as the next two.
        fps: rate it is asked for.
        pixel_format: four letters, such as MJPG or YUYV.

    Raises:
        StreamError: a value that no source could have.
    """

    address: str = field(repr=False)  # it may hold a password
    name: str = ""
    roi: tuple[int, int, int, int] | None = None
    rotate: int = 0
    max_fps: float | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    pixel_format: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            name = "stdin" if self.address == STDIN else redacted(self.address)
            object.__setattr__(self, "name", name)
        if not self.address:
            raise StreamError("the address of a source is empty; give a camera, file or URL")
        wrong = _what_is_wrong(self)
        if wrong:
            raise StreamError(f"source '{self.name}': {wrong}")


def parse_source(text: str) -> SourceSpec:
    """Reads ``NAME=ADDRESS`` or ``ADDRESS``; a file whose whole name reads so is an address.

    Raises:
        StreamError: there is no address in it, or what stands before a URL is no name.
    """
    named = _NAMED.fullmatch(text)
    if named and not _exists(text):
        return SourceSpec(named["address"], named["name"])
    badly = _BADLY_NAMED.fullmatch(text)
    if badly and not _exists(text):
        raise StreamError(
            f"'{badly['name']}' cannot name a source; give a letter, then letters a to z, digits, _"
            " or -, at most 32 in all, as in front_door=rtsp://..."
        )
    return SourceSpec(text)


@dataclass(frozen=True)
class SourceState:
    """How one source fares.

    Attributes:
        name: as in its description.
        live: whether it gives the newest frame or every frame.
        state: ``opening``, ``playing``, ``lost`` (and being reopened) or ``ended``.
        reason: why it is lost; empty otherwise.
        outages: how often it was lost.
        outage_s: for how long in all, the present outage included.
        captured: frames it delivered, whether anybody saw them or not.
        dropped: those of them that nobody saw.
    """

    name: str
    live: bool
    state: str
    reason: str = ""
    outages: int = 0
    outage_s: float = 0.0
    captured: int = 0
    dropped: int = 0


class Source(Protocol):
    """Frames one after another; ``live`` sources give the newest, others give every frame."""

    name: str
    live: bool

    @property
    def fps(self) -> float | None:
        """Returns what a video file says of its rate; None elsewhere."""

    @property
    def dropped(self) -> int:
        """Returns how many frames nobody saw."""

    def states(self) -> tuple[SourceState, ...]:
        """Returns how each real source behind it fares; may be called from any thread."""

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames."""

    def close(self) -> None:
        """Frees the camera or file and ends the iteration; may be called from any thread."""


def _what_is_wrong(spec: SourceSpec) -> str | None:
    misread = mistake(spec.address)
    if misread:
        return misread
    if spec.roi is not None and (min(spec.roi) < 0 or min(spec.roi[2:]) < 1):
        return f"region {spec.roi} is none; give x, y >= 0 and width, height >= 1 in pixels"
    if spec.rotate not in _ROTATIONS:
        return f"cannot be turned by {spec.rotate} degrees; give 0, 90, 180 or 270"
    if spec.max_fps is not None and not 0 < spec.max_fps <= 1000:
        return f"cannot be held to {spec.max_fps:g} frames per second; give more than 0, up to 1000"
    if spec.size is not None and min(spec.size) < 1:
        return f"a camera has no size {spec.size}; give a width and a height in pixels"
    if spec.fps is not None and not 0 < spec.fps <= 1000:
        return f"a camera has no rate of {spec.fps:g} per second; give more than 0, up to 1000"
    if spec.pixel_format is not None and not re.fullmatch(r"[\x20-\x7e]{4}", spec.pixel_format):
        return f"'{spec.pixel_format}' is no pixel format; give its four letters, such as MJPG"
    return None


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
