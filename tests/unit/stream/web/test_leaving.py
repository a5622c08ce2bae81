"""Viewers who leave at once, and those who are stuck when the run ends: neither holds it up."""

import asyncio
import socket
import struct
import time
from contextlib import ExitStack
from unittest.mock import AsyncMock, Mock

import numpy as np
import pytest

from edgescale.stream.web import WebSink
from edgescale.stream.web.responses import stream_pictures
from edgescale.stream.web.viewers import Viewer
from tests.live_fakes import until
from tests.page_client import talk
from tests.watched_run import WatchedRun

pytest.importorskip("aiohttp", reason="needs the web extra")
pytest.importorskip("cv2")

MOST = 16  # viewers at once
STUCK_S = 3.0  # the second that a stuck viewer is given, on a busy machine


def asking(page: WebSink, path: str) -> socket.socket:
    """Asks for something and reads nothing."""
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.connect(("127.0.0.1", page.address.port))
    plug.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return plug


def leave(plug: socket.socket) -> None:
    """Leaves with a reset, as a browser that is killed does."""
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plug.close()


@pytest.mark.parametrize("path", ["/stream.mjpeg", "/events"])
def test_who_leaves_before_the_stream_begins_leaves_nothing_behind(
    page: WebSink, run: WatchedRun, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for _ in range(2 * MOST):  # twice as many as may watch at once
        leave(asking(page, path))

    async def statuses(client: object) -> list[int]:
        replies = [await client.get(path) for _ in range(MOST)]  # type: ignore[attr-defined]
        found = [reply.status for reply in replies]
        for reply in replies:
            reply.close()
        return found

    until(lambda: talk(page, statuses) == [200] * MOST)
    if path == "/stream.mjpeg":
        until(lambda: not page._publisher._watching)
        run.show("door", np.zeros((48, 64, 3), np.uint8))
        assert page.pictures_encoded == 0
    assert caplog.messages == []


def test_a_connection_that_is_closed_already_is_no_error() -> None:
    """As a handler finds it whose viewer left between the request and the answer."""
    from aiohttp.test_utils import make_mocked_request

    closed, transport, writer = socket.socket(), Mock(), Mock()
    closed.close()
    transport.get_extra_info.return_value = closed
    writer.write_headers = AsyncMock(side_effect=ConnectionResetError("closing transport"))
    request = make_mocked_request("GET", "/stream.mjpeg", transport=transport, writer=writer)
    transport.abort.reset_mock()
    asyncio.run(stream_pictures(request, Viewer("door")))
    writer.write_headers.assert_awaited_once()
    transport.abort.assert_called_once()


def test_a_stuck_viewer_does_not_hold_up_the_end(run: WatchedRun) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    page = WebSink("127.0.0.1:0", None, run)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(asking(page, "/stream.mjpeg"))
        encoded, still_since_s = 0, time.monotonic()
        while encoded < 8:  # more than the connections hold
            run.show("door", noise)
            encoded = page.pictures_encoded
            assert time.monotonic() < still_since_s + 20
            time.sleep(0.02)
        began_s = time.monotonic()
        page.close()
        took_s = time.monotonic() - began_s
    assert 0.5 < took_s < STUCK_S  # they were stuck, and were cut off
