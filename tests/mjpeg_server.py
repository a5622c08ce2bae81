"""An HTTP MJPEG camera that tests can disturb, with the capture time drawn into each picture.

``read_stamp(image)`` gives the monotonic clock of the moment the picture was made, in any process
of this machine; the blocks survive JPEG, H.264 and a change of size.
"""

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

import numpy as np

from edgescale.inference.preparation import Image

_COLUMNS, _ROWS, _TIME_BITS = 12, 4, 40  # ms of 34 years, and 8 bits to check them
_BOUNDARY = b"picture"
_HEAD = (
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=" + _BOUNDARY + b"\r\n"
    b"Cache-Control: no-store\r\n\r\n"
)
_GARBAGE_BYTES = 20_000


class MjpegServer:
    """Serves the newest picture to every client at a set rate; use it as a context manager.

    ``backlog`` pictures of the past are sent at once to a client that connects, as cameras with a
    buffer do.
    """

    def __init__(
        self, *, fps: float = 30.0, size: tuple[int, int] = (320, 240), backlog: int = 0
    ) -> None:
        """Takes the rate and (width, height); the port is chosen by the system."""
        self.fps, self.size = fps, size
        self.draw: Callable[[int, int], Image] = stamped  # what it sees, by width and height
        self.connections = 0
        self._changed = threading.Condition()
        self._past: deque[bytes] = deque(maxlen=backlog or 1)
        self._backlog = backlog
        self._number, self._stalled, self._ending = 0, False, False
        self._clients: dict[socket.socket, bool] = {}  # whether garbage is to be sent next
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Returns the address of the stream."""
        return f"http://127.0.0.1:{self._port}/stream.mjpg"

    def __enter__(self) -> "MjpegServer":
        self.start()
        self._run(self._tick)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending = True
        self.stop()
        for thread in list(self._threads):
            thread.join(5)
            assert not thread.is_alive()

    def start(self) -> None:
        """Listens, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._run(self._accept, listener)

    def stop(self) -> None:
        """Stops listening and closes every connection."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.close_clients()

    def restart(self, down_s: float = 0.0) -> None:
        """Stops, waits and starts again on the same port."""
        self.stop()
        time.sleep(down_s)
        self.start()

    def stall(self) -> None:
        """Sends nothing more, and keeps the connections."""
        self._stalled = True

    def resume(self) -> None:
        """Ends a stall."""
        self._stalled = False

    def garbage(self) -> None:
        """Sends bytes that are no picture to every client, once, instead of a picture."""
        with self._changed:
            self._clients = dict.fromkeys(self._clients, True)

    def resize(self, width: int, height: int) -> None:
        """Changes the size of the pictures, in the middle of the stream."""
        self.size = (width, height)

    def close_clients(self) -> None:
        """Closes every connection."""
        with self._changed:
            clients, self._clients = self._clients, {}
            self._changed.notify_all()
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="mjpeg server")  # type: ignore[arg-type]
        self._threads = [one for one in self._threads if one.is_alive()]
        thread.start()
        self._threads.append(thread)

    def _tick(self) -> None:
        next_s = time.monotonic()
        while not self._ending:
            next_s += 1 / self.fps
            time.sleep(max(0.0, next_s - time.monotonic()))
            if self._stalled:
                next_s = time.monotonic()
                continue
            picture = jpeg(self.draw(*self.size))
            with self._changed:
                self._past.append(picture)
                self._number += 1
                self._changed.notify_all()

    def _accept(self, listener: socket.socket) -> None:
        while not self._ending:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._changed:
                self._clients[client] = False
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(60)
            asked = b""
            while b"\r\n\r\n" not in asked:
                part = client.recv(4096)
                if not part:
                    break
                asked += part
            else:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(_HEAD)
                self._send_pictures(client)
        with self._changed:
            self._clients.pop(client, None)

    def _send_pictures(self, client: socket.socket) -> None:
        with self._changed:
            past, seen = list(self._past) if self._backlog else [], self._number
        for picture in past:
            client.sendall(_part(picture))
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._number > seen or client not in self._clients or self._ending,  # noqa: B023
                    timeout=0.5,
                )
                if client not in self._clients or self._ending:
                    return
                if self._number == seen:
                    continue
                seen, picture = self._number, self._past[-1]
                spoil, self._clients[client] = self._clients[client], False
            client.sendall(os.urandom(_GARBAGE_BYTES) if spoil else _part(picture))


def stamped(width: int, height: int, now_s: float | None = None) -> Image:
    """Returns uint8 (height, width, 3) whose upper half shows the monotonic time as blocks."""
    now_ms = round(1000 * (time.monotonic() if now_s is None else now_s))
    value = (now_ms << 8) | _check(now_ms)
    count = _COLUMNS * _ROWS
    bits = np.array([value >> place & 1 for place in range(count)], np.uint8)
    image = np.full((height, width, 3), 128, np.uint8)
    ys = np.minimum(np.arange(height // 2) * _ROWS // (height // 2), _ROWS - 1)
    xs = np.arange(width) * _COLUMNS // width
    image[: height // 2] = 255 * bits.reshape(_ROWS, _COLUMNS)[ys][:, xs, None]
    return image


def read_stamp(image: Image) -> float | None:
    """Returns the time drawn by ``stamped`` in seconds; None where it cannot be read."""
    height, width = image.shape[0] // 2, image.shape[1]
    if height < 2 * _ROWS or width < 2 * _COLUMNS:
        return None
    value = 0
    for place in range(_COLUMNS * _ROWS):
        row, column = divmod(place, _COLUMNS)
        top, left = height * row / _ROWS, width * column / _COLUMNS
        middle = image[
            int(top + 0.25 * height / _ROWS) : int(top + 0.75 * height / _ROWS) + 1,
            int(left + 0.25 * width / _COLUMNS) : int(left + 0.75 * width / _COLUMNS) + 1,
        ]
        value |= int(middle.mean() > 127) << place
    now_ms, check = value >> 8, value & 0xFF
    return now_ms / 1000 if check == _check(now_ms) else None


def jpeg(image: Image, quality: int = 85) -> bytes:
    """Returns the picture as JPEG."""
    import cv2

    good, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert good
    return bytes(encoded)


def _part(picture: bytes) -> bytes:
    head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return head % (_BOUNDARY, len(picture)) + picture + b"\r\n"


def _check(now_ms: int) -> int:
    return (now_ms * 167 + 90 + (now_ms >> 8) * 13 + (now_ms >> 16) * 7) & 0xFF
