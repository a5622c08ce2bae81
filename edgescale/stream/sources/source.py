"""Opens what the user names as a source: the kind of the address decides who reads it."""

import os
import stat
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgescale.errors import EdgescaleError, SourceNotFound, StreamError
from edgescale.inference.image_file import IMAGE_SUFFIXES
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.sources.address import STDIN, camera_number, is_url, scheme
from edgescale.stream.sources.capture import OPEN_TIMEOUT_S
from edgescale.stream.sources.file_source import FileSource, Reader, Series, refuse_rate_of_images
from edgescale.stream.sources.image_folder import Images
from edgescale.stream.sources.live_source import LiveSource, Opener, Timing, log_event
from edgescale.stream.sources.mixer import Mixer
from edgescale.stream.sources.mjpeg_pipe import MjpegFile, pipe_opener
from edgescale.stream.sources.network import network_opener, opened_stream
from edgescale.stream.sources.opening import NeverOpened, lost_at_start, never, opened_together
from edgescale.stream.sources.paths import paths_of
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
    "refuse_equal_names",
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
    return _live_source(spec, opener, on_event, timeout_s, changed)


def open_sources(
    specs: Sequence[str | Path | SourceSpec],
    *,
    on_event: OnEvent = log_event,
    timeout_s: float = OPEN_TIMEOUT_S,
    stopped: Callable[[], bool] = never,
) -> Source:
    """Opens one source, or several that share the model fairly; several are opened at once.

    Where one of several can be opened, a camera or stream that cannot yet begins as lost.

    Args:
        specs: their addresses, or all that is wanted of them.
        on_event: as for ``open_source``; told which source was not open when the run ended, too
            (kind ``source-ended``).
        timeout_s: as for ``open_source``.
        stopped: looked at ten times a second; once it holds, no opening is waited for, all that is
            open is closed, and the source that is returned has no frames.

    Raises:
        StreamError: none can be opened, one is not as described, or two have the same name.
    """
    described = [one if isinstance(one, SourceSpec) else SourceSpec(str(one)) for one in specs]
    if not described:
        raise StreamError("there is no source; give a camera, file, folder or URL")
    refuse_equal_names(described)
    changed = threading.Condition()
    open_one = partial(open_source, on_event=on_event, timeout_s=timeout_s, changed=changed)
    found = opened_together([partial(open_one, spec) for spec in described], stopped)
    opened = [one for one in found if one is not None and not isinstance(one, EdgescaleError)]
    if not opened and None not in found:
        raise next(one for one in found if isinstance(one, EdgescaleError))
    try:
        sources = [
            _source_lost_at_start(spec, one, on_event, timeout_s, changed)
            if isinstance(one, EdgescaleError)
            else one
            for spec, one in zip(described, found, strict=True)
            if one is not None
        ]
    except BaseException:
        for source in opened:
            source.close()
        raise
    if None in found:
        for source in sources:
            source.close()
        return _never_opened(described, found, on_event)
    return sources[0] if len(sources) == 1 else Mixer(sources, changed, on_event=on_event)


def _never_opened(
    specs: Sequence[SourceSpec],
    found: Sequence[Source | EdgescaleError | None],
    on_event: OnEvent,
) -> NeverOpened:
    """Tells which were not open when the run ended."""
    names = [spec.name for spec in specs]
    for name, one in zip(names, found, strict=True):
        if one is None or isinstance(one, EdgescaleError):
            text = str(one or f"{name}: was not open yet when the run ended")
            on_event(Event("source-ended", text, {"source": name}))
    return NeverOpened(names)


def _source_lost_at_start(
    spec: SourceSpec,
    problem: EdgescaleError,
    on_event: OnEvent,
    timeout_s: float,
    changed: threading.Condition,
) -> LiveSource:
    """Returns a source that is opened as soon as it can be, or raises the problem.

    Raises:
        EdgescaleError: no wait mends it.
    """
    opener = _live_opener(spec, timeout_s) if isinstance(problem, SourceNotFound) else None
    if opener is None:
        raise problem
    return _live_source(spec, lost_at_start(opener, problem), on_event, timeout_s, changed)


def _live_source(
    spec: SourceSpec,
    opener: Opener,
    on_event: OnEvent,
    timeout_s: float,
    changed: threading.Condition | None,
) -> LiveSource:
    return LiveSource(
        spec.name,
        opener,
        on_event=on_event,
        shaping=shaping_of(spec),
        timing=Timing(read_timeout_s=timeout_s),
        slot=LatestFrame(changed),
    )


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
    paths = paths_of(spec.name, spec.address)
    if all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        refuse_rate_of_images(spec.name, shaping)
        return FileSource(spec.name, Images(paths), shaping)
    return FileSource(
        spec.name, open_video(paths[0]) if len(paths) == 1 else Series(paths, _reader_of), shaping
    )


def _reader_of(path: Path) -> Reader:
    return Images([path]) if path.suffix.lower() in IMAGE_SUFFIXES else open_video(path)


def _stdin_mode() -> int:
    try:
        return os.fstat(0).st_mode
    except OSError as problem:
        raise StreamError("standard input is closed; pipe MJPEG into it") from problem


def refuse_equal_names(specs: Sequence[SourceSpec]) -> None:
    """Results, events and outputs tell sources by their names.

    Raises:
        StreamError: two have the same.
    """
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise StreamError(
                f"two sources are named '{name}'; give each a name of its own, as in door=ADDRESS"
            )
