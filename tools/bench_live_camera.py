"""An MJPEG camera in a process of its own, so that its work is not taken for the bench's."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SERVE = """
import sys
from tests.mjpeg_server import MjpegServer
with MjpegServer(fps=float(sys.argv[1]), size=(int(sys.argv[2]), int(sys.argv[3]))) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        name, *numbers = line.split()
        getattr(server, name)(*(float(one) if "." in one else int(one) for one in numbers))
"""


class Camera:
    """A running camera: its address, and what it may be told."""

    def __init__(self, url: str, orders: IO[str]) -> None:
        self.url = url
        self._orders = orders

    def tell(self, order: str) -> None:
        """Has it call a method of ``MjpegServer``: ``stall``, ``restart 0.5``, ``resize 9 9``."""
        self._orders.write(order + "\n")
        self._orders.flush()


@contextmanager
def camera(fps: float, size: tuple[int, int]) -> Iterator[Camera]:
    """Runs a camera that draws the time into its pictures of (width, height)."""
    command = [sys.executable, "-c", _SERVE, str(fps), *map(str, size)]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield Camera(server.stdout.readline().strip(), server.stdin)
        finally:
            server.stdin.close()
            server.wait(10)
