"""Opens what the user names as a source: the kind of the address decides who reads it."""

import errno
import os
import stat
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from glob import glob
from pathlib import Path
from urllib.parse import unquote

from edgescale.errors import SourceNotFound, StreamError
from edgescale.inference.image_file import IMAGE_SUFFIXES
from edgescale.stream.event import OnEvent
from edgescale.stream.sources.address import STDIN, camera_number, is_glob, is_url, scheme
from edgescale.stream.sources.capture import OPEN_TIMEOUT_S
from edgescale.stream.sources.file_source import FileSource, Reader, Series, refuse_rate_of_images
from edgescale.stream.sources.image_folder import Images, images_of, natural_key
from edgescale.stream.sources.live_source import LiveSource, Opener, Timing, log_event
from edgescale.stream.sources.mixer import Mixer
from edgescale.stream.sources.mjpeg_pipe import MjpegFile, pipe_opener
from edgescale.stream.sources.network import network_opener, opened_stream
from edgescale.stream.sources.shaping import shaping_of
from edgescale.stream.sources.slot import LatestFrame
from edgescale.stream.sources.source_spec import Source, SourceSpec, SourceState, parse_source
from edgescale.stream.sources.v4l2 import camera_opener
from edgescale.stream.sources.video_file import Video, open_video

__all__ = [
    "Source",
    "SourceSpec",
    "SourceState",
    "open_source",
    "open_sources",
    "parse_source",
]


def open_source(
    source: str | Path | SourceSpec,
    *,
    on_event: OnEvent = log_event,
    timeout_s: float = OPEN_TIMEOUT_S,
    changed: threading.Condition | None = None,
) -> Source:
    """Opens a camera, file, folder, glob, URL or MJPEG on standard input.

    Args:
        source: its address, or all that is wanted of it.
        on_event: told when a live source is lost, back or has ended (kinds ``source-lost``,
            ``source-back``, ``source-ended``); it is called in the thread of the capture.
        timeout_s: the longest that opening a stream, or the wait for one frame, may take.
        changed: notified of each frame of a live source, besides those who wait for it.

    Raises:
        SourceNotFound: there is no such camera, file, folder or stream.
        StreamError: it is there but holds no pictures, or cannot do what is asked of it.
    """
    spec = source if isinstance(source, SourceSpec) else SourceSpec(str(source))
    opener = _live_opener(spec, timeout_s)
    if opener is None:
        return _file_source(spec)
    if is_url(spec.address):
        stream = opened_stream(spec.name, spec.address, opener)
        if isinstance(stream, Video):
            return FileSource(spec.name, stream, shaping_of(spec))
        opener = stream
    return LiveSource(
        spec.name,
        opener,
        on_event=on_event,
        shaping=shaping_of(spec),
        timing=Timing(read_timeout_s=timeout_s),
        slot=LatestFrame(changed),
    )


def open_sources(
    specs: Sequence[str | Path | SourceSpec],
    *,
    on_event: OnEvent = log_event,
    timeout_s: float = OPEN_TIMEOUT_S,
) -> Source:
    """Opens one source, or several that share the model fairly; several are opened at once.

    Raises:
        StreamError: one of them cannot be opened, or two have the same name.
    """
    described = [one if isinstance(one, SourceSpec) else SourceSpec(str(one)) for one in specs]
    if not described:
        raise StreamError("there is no source; give a camera, file, folder or URL")
    if len(described) == 1:
        return open_source(described[0], on_event=on_event, timeout_s=timeout_s)
    _refuse_equal_names(described)
    changed = threading.Condition()
    open_one = partial(open_source, on_event=on_event, timeout_s=timeout_s, changed=changed)
    with ThreadPoolExecutor(len(described), "open source") as pool:
        opening = [pool.submit(open_one, spec) for spec in described]
    failed = [one.exception() for one in opening if one.exception() is not None]
    opened = [one.result() for one in opening if one.exception() is None]
    if failed and failed[0] is not None:
        for source in opened:
            source.close()
        raise failed[0]
    return Mixer(opened, changed, on_event=on_event)


def _live_opener(spec: SourceSpec, timeout_s: float) -> Opener | None:
    """Returns what opens a camera, a stream or a pipe; None for files."""
    number, path = camera_number(spec.address), Path(spec.address)
    if number is not None and not path.is_file() and not path.is_dir():
        return camera_opener(spec, number)
    if spec.size is not None or spec.fps is not None or spec.pixel_format is not None:
        raise StreamError(
            f"source '{spec.name}': only a camera (0, /dev/video0) can be asked for a size, rate"
            " or pixel format; leave them out"
        )
    if spec.address == STDIN:
        return None if stat.S_ISREG(_stdin_mode()) else pipe_opener(timeout_s=timeout_s)
    if is_url(spec.address) and scheme(spec.address) != "file":
        return network_opener(spec.name, spec.address, timeout_s)
    return None


def _file_source(spec: SourceSpec) -> FileSource:
    shaping = shaping_of(spec)
    if spec.address == STDIN:
        refuse_rate_of_images(spec.name, shaping)
        return FileSource(spec.name, MjpegFile(), shaping)
    text = spec.address
    if scheme(text) == "file":
        text = unquote(text.partition("://")[2])
    paths = _paths(spec, text)
    if all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        refuse_rate_of_images(spec.name, shaping)
        return FileSource(spec.name, Images(paths), shaping)
    return FileSource(
        spec.name, open_video(paths[0]) if len(paths) == 1 else Series(paths, _reader_of), shaping
    )


def _reader_of(path: Path) -> Reader:
    return Images([path]) if path.suffix.lower() in IMAGE_SUFFIXES else open_video(path)


def _paths(spec: SourceSpec, text: str) -> list[Path]:
    """Returns the files that are meant: one, those of a folder, or what matches a pattern."""
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as problem:
        matches = _matches(text)
        if matches:
            return matches
        if isinstance(problem, OSError) and problem.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise StreamError(
                f"source '{spec.name}': cannot be read ({problem.strerror})"
            ) from problem
        raise SourceNotFound(
            f"source '{spec.name}': no such file, folder or camera; give a camera number such as 0,"
            " /dev/video0, a video file, an image, a folder of images, a pattern such as '*.jpg' or"
            " a URL"
        ) from problem
    if stat.S_ISDIR(mode):
        return images_of(path)
    if not stat.S_ISREG(mode):
        raise SourceNotFound(f"source '{spec.name}': is no file, folder or camera (/dev/video<N>)")
    return [path]


def _matches(pattern: str) -> list[Path]:
    """Returns the files that match a pattern, in natural order; ``**`` goes into folders."""
    if not is_glob(pattern) or "\0" in pattern:
        return []
    found = (Path(name) for name in glob(pattern, recursive=True))  # noqa: PTH207 - no root here
    return sorted((path for path in found if path.is_file()), key=lambda p: natural_key(str(p)))


def _stdin_mode() -> int:
    try:
        return os.fstat(0).st_mode
    except OSError as problem:
        raise StreamError("standard input is closed; pipe MJPEG into it") from problem


def _refuse_equal_names(specs: Sequence[SourceSpec]) -> None:
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise StreamError(
                f"two sources are named '{name}'; give each a name of its own: NAME={name}"
            )
