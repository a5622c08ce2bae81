"""Many at once: viewers of the page, of whom one is stuck, and sources that share one model."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from edgescale.stream.pipeline import Pipeline
from edgescale.stream.sources.source_spec import SourceSpec
from edgescale.stream.web.sink import WebSink
from tools.bench_live_camera import camera
from tools.bench_live_loops import WARM_UP
from tools.bench_live_scene import Scene, double_behaves
from tools.bench_live_throughput import Rates, in_turns

VIEWERS = 8
_FEWEST_BYTES = 50_000  # a few pictures; a refusal is shorter


def page(scene: Scene, video: Path, *, latency_ms: float, frames: int, rounds: int) -> Rates:
    """Measures a run with the page open, with and without viewers; both decode the same video."""
    least_seen: list[int] = []

    def rate(viewers: int, count: int) -> float:
        with _pipeline(scene, video, max_frames=count + 4 * WARM_UP) as (pipeline, sink):
            with _watched(sink, viewers) as received:
                fps = _fps(pipeline, count)
            least_seen.extend(received[1:])
        return fps

    with double_behaves(latency_ms=latency_ms):
        rates = in_turns(
            {"bare": lambda count: rate(0, count), "viewers": lambda count: rate(VIEWERS, count)},
            frames=frames,
            rounds=rounds,
        )
    if min(least_seen) < _FEWEST_BYTES:
        raise SystemExit("a viewer that reads received no pictures")
    return rates


def fair_share(scene: Scene, *, sources: int, fps: float, seconds: float) -> dict[str, float]:
    """Returns the served frames per second of each camera, of as many as share one model."""
    served: Counter[str] = Counter()
    with ExitStack() as stack:
        stack.enter_context(double_behaves(latency_ms=10))
        specs = [
            SourceSpec(stack.enter_context(camera(fps, (320, 240))).url, f"camera{number}")
            for number in range(sources)
        ]
        pipeline = stack.enter_context(
            Pipeline(
                scene.family, specs, variant=scene.variant.name, device="usb",
                edgetpu_library=str(scene.library), duration_s=seconds + 1,
            )
        )  # fmt: skip
        begun_s = now_s = 0.0
        for result in pipeline:
            now_s = time.monotonic()
            begun_s = begun_s or now_s
            if now_s > begun_s + 1:  # all cameras have begun
                served[result.source] += 1
    return {spec.name: served[spec.name] / (now_s - begun_s - 1) for spec in specs}


def unfairness(rates: dict[str, float]) -> float:
    """Returns how far the best and the worst served are apart, as a share of the mean."""
    mean = sum(rates.values()) / len(rates)
    return (max(rates.values()) - min(rates.values())) / mean


@contextmanager
def _pipeline(scene: Scene, video: Path, *, max_frames: int) -> Iterator[tuple[Pipeline, WebSink]]:
    pipeline = Pipeline(
        scene.family, video, variant=scene.variant.name, device="usb",
        edgetpu_library=str(scene.library), max_frames=max_frames,
    )  # fmt: skip
    sink = WebSink("0", None, pipeline.monitor)
    pipeline.add_sink(sink)
    with pipeline:
        yield pipeline, sink


def _fps(pipeline: Pipeline, frames: int) -> float:
    started_s = now_s = 0.0
    skipped = 4 * WARM_UP  # the viewers get their first pictures meanwhile
    for number, _ in enumerate(pipeline, 1):
        now_s = time.perf_counter()
        if number == skipped:
            started_s = now_s
    if number != frames + skipped:
        raise SystemExit(f"the video ends after {number} frames")
    return frames / (now_s - started_s)


@contextmanager
def _watched(sink: WebSink, viewers: int) -> Iterator[list[int]]:
    """Lets viewers watch the picture; the first asks for it and never reads."""
    host, port = str(urlsplit(sink.url).hostname), int(urlsplit(sink.url).port or 0)
    request = f"GET /stream.mjpeg HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    received = [0] * viewers
    clients, threads = [], []
    for number in range(viewers):
        client = socket.socket()
        if number == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, port))
        client.sendall(request)
        clients.append(client)
        if number:
            threads.append(threading.Thread(target=_read, args=(client, received, number)))
            threads[-1].start()
    try:
        yield received
    finally:
        for client in clients:
            _shut(client)
        for thread in threads:
            thread.join(10)
        for client in clients:
            client.close()


def _read(client: socket.socket, received: list[int], number: int) -> None:
    with contextlib.suppress(OSError):
        while part := client.recv(65_536):
            received[number] += len(part)


def _shut(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
