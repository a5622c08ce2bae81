"""The path of a video as OpenCV and FFmpeg may be given it.

FFmpeg takes ``cam:1.mkv`` for an address of the protocol ``cam``, and OpenCV ends the whole process
on a name that is not UTF-8.
"""

import os
from pathlib import Path

from edgescale.errors import StreamError


def ffmpeg_path(path: Path, error: type[StreamError]) -> str:
    """Returns the absolute path as text.

    Raises:
        StreamError: of the class given; the name is not UTF-8.
    """
    text = os.path.abspath(path)  # noqa: PTH100 - needs no file system, so it cannot fail
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise error(f"{path}: its name is not UTF-8, as video needs it; rename it") from problem
    return text
