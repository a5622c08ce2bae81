"""How things are said over HTTP: headers that every answer has, and streams that never end.

The policy allows nothing but our own files: no inline script or style, no other site, no frame.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgescale.stream.web.viewers import Viewer

if TYPE_CHECKING:
    from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with less a browser hides the origin of our own forms too
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "edgescale",
}
_BOUNDARY = "frame"
# No length: a browser shows a picture when the head of the next part has come, so that head is sent
# with it, when the next picture is not known yet.
_NEXT_PART = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_STUCK_S = 20.0  # a viewer who takes nothing for so long is let go
_SEND_BUFFER_BYTES = 2**17  # a few pictures: more would only let a slow viewer fall behind


def static_text(name: str) -> str:
    """Returns one of our own files."""
    return (_STATIC / name).read_text(encoding="utf-8")


def static_response(name: str) -> "web.Response":
    """Returns one of our own files; only names that lie there are found, never paths."""
    if name not in {file.name for file in _STATIC.iterdir()}:
        return text_response(404, "not found\n")
    return file_response(static_text(name), Path(name).suffix)


def file_response(text: str, suffix: str, status: int = 200) -> "web.Response":
    """Returns a text of the type that belongs to a suffix."""
    from aiohttp import web

    return web.Response(text=text, content_type=_TYPES[suffix], charset="utf-8", status=status)


def text_response(status: int, text: str, headers: dict[str, str] | None = None) -> "web.Response":
    """Returns plain text."""
    from aiohttp import web

    return web.Response(status=status, text=text, headers=headers)


def redirect(path: str) -> "web.Response":
    """Returns "see there", to be asked for with GET."""
    return text_response(303, "", {"Location": path})


async def stream_events(request: "web.Request", viewer: Viewer) -> "web.StreamResponse":
    """Sends server-sent events until the viewer leaves or is let go."""
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    return await _send(request, response, viewer, _as_it_is)


async def stream_pictures(request: "web.Request", viewer: Viewer) -> "web.StreamResponse":
    """Sends JPEGs as one multipart answer until the viewer leaves or is let go."""
    from aiohttp import web

    if request.transport is not None:
        plug = request.transport.get_extra_info("socket")
        with suppress(OSError):  # the viewer has left already
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
    response = web.StreamResponse(headers={"Content-Type": kind})
    return await _send(request, response, viewer, _part, opening=_NEXT_PART)


async def _send(
    request: "web.Request",
    response: "web.StreamResponse",
    viewer: Viewer,
    framed: Callable[[bytes], bytes],
    *,
    opening: bytes = b"",
) -> "web.StreamResponse":
    try:
        await response.prepare(request)
        await response.write(opening)
        while payloads := await viewer.take():
            for payload in payloads:
                await asyncio.wait_for(response.write(framed(payload)), _STUCK_S)
        await asyncio.wait_for(response.write_eof(), _STUCK_S)
    except (asyncio.TimeoutError, ConnectionError):
        # What a stuck viewer has not read would keep its connection open.
        if request.transport is not None:
            request.transport.abort()
    return response


def _as_it_is(payload: bytes) -> bytes:
    return payload


def _part(jpeg: bytes) -> bytes:
    return jpeg + b"\r\n" + _NEXT_PART
