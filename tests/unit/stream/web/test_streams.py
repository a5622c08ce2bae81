"""What flows to those who watch: states, answers and pictures, and nobody delays the others."""

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.web import WebSink
from tests.page_client import talk
from tests.watched_run import WatchedRun

if TYPE_CHECKING:
    import aiohttp

pytest.importorskip("aiohttp", reason="needs the web extra")
cv2 = pytest.importorskip("cv2")

NOISE: Image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)


def stuck_viewer(page: WebSink) -> socket.socket:
    """Asks for a picture and never reads it."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", page.address.port))
    stuck.sendall(b"GET /stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return stuck


def show_until(run: WatchedRun, ended: threading.Event, image: Image) -> None:
    while not ended.wait(0.02):
        run.show("door", image)


def test_a_page_gets_the_past_the_state_answers_and_the_end(run: WatchedRun) -> None:
    page = WebSink("127.0.0.1:0", None, run)
    page.tick()

    async def follow(client: "aiohttp.ClientSession") -> list[tuple[str, Any]]:
        async with client.get("/events") as reply:
            seen = [await message(reply) for _ in range(2)]
            page.result(run.show("door"))
            seen.append(await message(reply))
            run.happened("switched", "to pets-s")
            page.event(Event("switched", "to pets-s"), None)
            seen.append(await message(reply))
            await asyncio.to_thread(page.close)
            seen.append(await message(reply))
            return seen

    seen = talk(page, follow)
    assert [name for name, _ in seen] == ["past", "state", "answer", "state", "end"]
    assert seen[0][1]["points"][0][0] == 320.0
    assert seen[2][1]["predictions"][0]["label"] == "cat"
    assert seen[3][1]["events"][0]["text"] == "to pets-s"


@pytest.mark.parametrize("path", ["/events", "/stream.mjpeg"])
def test_viewers_are_limited(page: WebSink, path: str) -> None:
    async def crowd(client: "aiohttp.ClientSession") -> list[int]:
        replies = [await client.get(path) for _ in range(17)]
        statuses = [reply.status for reply in replies]
        for reply in replies:
            reply.close()
        for _ in range(50):  # those who leave make room
            async with client.get(path) as again:
                if again.status == 200:
                    return [*statuses, again.status]
            await asyncio.sleep(0.05)
        return statuses

    assert talk(page, crowd) == [200] * 16 + [503, 200]


def test_eight_viewers_one_stuck_and_the_others_go_on(page: WebSink, run: WatchedRun) -> None:
    """Large pictures of noise fill what the stuck one's connection holds in the first second."""
    shown = 0

    async def show() -> None:
        nonlocal shown
        while True:
            run.show("door", NOISE)
            shown += 1
            await asyncio.sleep(0.02)

    async def watch(client: "aiohttp.ClientSession") -> int:
        pictures, rest = 0, b""
        async with client.get("/stream.mjpeg?source=door") as reply:
            while pictures < 15:
                parts = (rest + await reply.content.readany()).split(b"\r\n--frame\r\n")
                pictures, rest = pictures + len(parts) - 1, parts[-1]
        return pictures

    async def scene(client: "aiohttp.ClientSession") -> list[int]:
        showing = asyncio.create_task(show())
        pictures = await asyncio.gather(*(watch(client) for _ in range(7)))
        showing.cancel()
        return pictures

    with stuck_viewer(page):
        assert min(talk(page, scene)) >= 15
        assert page.pictures_encoded < shown  # at most ten a second, and once for all
        assert page.pictures_encoded < 2 * 15
        page.close()  # within its second, though one is stuck


def test_who_takes_nothing_for_long_is_let_go(
    page: WebSink, run: WatchedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by what is encoded: nothing when nobody watches any more."""
    monkeypatch.setattr("edgescale.stream.web.responses._STUCK_S", 0.2)
    ended = threading.Event()
    showing = threading.Thread(target=show_until, args=(run, ended, NOISE))
    showing.start()
    with stuck_viewer(page):
        encoded = [-1, 0]
        for _ in range(20):
            if encoded[-1] == encoded[-2] > 0:
                break
            time.sleep(0.5)
            encoded.append(page.pictures_encoded)
    ended.set()
    showing.join()
    assert encoded[-1] == encoded[-2] > 0


def test_other_programs_can_read_the_picture(page: WebSink, run: WatchedRun) -> None:
    enough = threading.Event()
    image = np.full((48, 64, 3), 200, np.uint8)
    showing = threading.Thread(target=show_until, args=(run, enough, image))
    showing.start()
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 15_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 15_000]
    capture = cv2.VideoCapture(f"{page.url}stream.mjpeg", cv2.CAP_FFMPEG, limits)
    read, image = capture.read()
    capture.release()
    enough.set()
    showing.join()
    assert read
    assert image.shape == (48, 64, 3)


async def message(reply: "aiohttp.ClientResponse") -> tuple[str, Any]:
    """Reads one server-sent event."""
    name, data, _ = [(await reply.content.readline()).decode().rstrip("\n") for _ in range(3)]
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
