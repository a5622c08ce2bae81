"""Streams that FFmpeg reaches over a network: HTTP, RTSP, RTMP, UDP, TCP.

The one file that opens a URL. FFmpeg may reach whatever a network stream needs and no file: a
playlist from a camera that names one would otherwise have it read. Where a camera changes its
resolution in the middle of a stream, OpenCV goes on in the size it began with, until it is opened
again; nothing it offers tells.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import replace

from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.sources.address import endpoint, scheme
from edgescale.stream.sources.capture import OPEN_TIMEOUT_S, VideoCapture, open_ffmpeg, opencv
from edgescale.stream.sources.live_source import Opener
from edgescale.stream.sources.video_file import Video

_PROTOCOLS = (
    *("http", "https", "httpproxy", "tls", "tcp", "udp", "udplite", "rtp", "srtp", "rtsp", "rtsps"),
    *("rtmp", "rtmps", "rtmpt", "rtmpe", "srt", "sctp", "mmst", "mmsh", "ftp", "crypto", "data"),
)
_OPTIONS = {
    "protocol_whitelist": ",".join(_PROTOCOLS),
    # Over UDP a full network tears pictures, and a camera behind a router cannot be reached.
    "rtsp_transport": "tcp",
    # The rate is not believed anyway, and finding it out takes FFmpeg 20 frames of an RTSP stream.
    "fpsprobesize": "0",
}
_SERVERS_OF_FILES = ("http", "https", "ftp")
_MOST_FRAMES = 1e9  # a stream without an end announces a number beyond all sense, or none
_PROBE_TIMEOUT_S = 0.5
# What the user set before the program began, as ``key;value|key;value``: it wins, but for the
# protocols.
_FROM_ENVIRONMENT = os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS", "")


def network_opener(name: str, address: str, timeout_s: float = OPEN_TIMEOUT_S) -> Opener:
    """Returns what opens a URL, with a timeout for opening it and for each read.

    Raises:
        StreamError: a kind of URL that is not reached over a network.
    """
    if scheme(address) not in _PROTOCOLS:
        raise StreamError(
            f"source '{name}': {scheme(address)}:// is no kind of address that is read; give"
            " http, https, rtsp, rtsps, rtmp, srt, udp, rtp or tcp"
        )

    def opened() -> VideoCapture:
        capture = open_ffmpeg(address, capture_options(), timeout_s)
        if not capture.isOpened():
            raise SourceNotFound(_why_not(name, address, timeout_s))
        return VideoCapture(name, capture)

    return Opener(opened, _reachable(address))


def opened_stream(name: str, address: str, opener: Opener) -> Opener | Video:
    """Opens a URL once: a video of a known length is read to its end, all else is live.

    Returns:
        The video, or an opener that gives what was opened first.

    Raises:
        SourceNotFound: it cannot be opened.
    """
    first = opener.open()
    if scheme(address) in _SERVERS_OF_FILES and isinstance(first, VideoCapture):
        announced = first.raw.get(opencv().CAP_PROP_FRAME_COUNT)
        if 0 < announced < _MOST_FRAMES:
            return Video(name, first.raw)
    left = [first]
    return replace(opener, open=lambda: left.pop() if left else opener.open())


def capture_options(from_environment: str = _FROM_ENVIRONMENT) -> dict[str, str]:
    """Returns FFmpeg's options for a network stream, the user's own among them."""
    pairs = (one.partition(";") for one in from_environment.split("|") if one)
    return {**_OPTIONS, **{key: value for key, _, value in pairs if key != "protocol_whitelist"}}


def _reachable(address: str) -> Callable[[], bool] | None:
    place = endpoint(address)
    return None if place is None else lambda: _connects(place)


def _connects(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, _PROBE_TIMEOUT_S).close()
    except (OSError, UnicodeError):  # UnicodeError: a host name that no resolver takes
        return False
    return True


def _why_not(name: str, address: str, timeout_s: float) -> str:
    """FFmpeg's reason is lost in OpenCV; whether its port answers tells the most likely one."""
    start = f"source '{name}': cannot be opened"
    if scheme(address) == "srt":
        return (
            f"{start}; check that it is sending, and that OpenCV reads srt (pip's does not): else"
            " give --source - and pipe 'ffmpeg -i ADDRESS -f mjpeg -' into it"
        )
    place = endpoint(address)
    if place is None:
        return f"{start}; check its address, and that it is sending: it has {timeout_s:g} s"
    host, port = place
    if not _connects(place):
        return f"{start}: nothing answers at {host} port {port}; check the address and the network"
    return (
        f"{start}: {host} port {port} answers, but gives no video within {timeout_s:g} s; check the"
        " path, user and password with a player"
    )
