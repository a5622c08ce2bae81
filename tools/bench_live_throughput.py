"""Frames per second of the live path over bare invokes of the same model, loop by loop in turns."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.stream.pipeline import run
from edgescale.stream.sources.source import open_source
from edgescale.stream.sources.source_spec import Source
from tools.bench_live_loops import WARM_UP, coral_loop, serial_loop
from tools.bench_live_scene import InMemory, Scene, camera_frames, double_behaves

Loop = Callable[[int], float]  # takes a number of frames, gives frames per second


@dataclass(frozen=True)
class Rates:
    """Frames per second of each loop by its name, one for each round; ``bare`` is the yardstick."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def over(self, name: str, yardstick: str = "bare") -> list[float]:
        """Returns a loop's rate over another's, round by round."""
        pairs = zip(self.rounds[name], self.rounds[yardstick], strict=True)
        return [one / other for one, other in pairs]

    def ratio(self, name: str, yardstick: str = "bare") -> float:
        """Returns the median of that."""
        return statistics.median(self.over(name, yardstick))

    @property
    def bare_ms(self) -> float:
        """Returns how long a bare invoke takes."""
        return 1000 / statistics.median(self.rounds["bare"])


def with_decode(scene: Scene, video: Path, *, invoke_ms: float, frames: int, rounds: int) -> Rates:
    """Measures ours and both foreign loops on a video, on the double."""
    with double_behaves(latency_ms=scene.wait_ms(invoke_ms)):
        interpreter = scene.interpreter("usb")
        with Worker(scene.family, scene.variant, settings=scene.double) as worker:
            loops: dict[str, Loop] = {
                "bare": lambda count: _bare(interpreter, count),
                "ours": lambda count: _ours(worker, lambda: open_source(video), count),
                "coral": lambda count: coral_loop(interpreter, video, count),
                "serial": lambda count: serial_loop(interpreter, video, count),
            }
            return in_turns(loops, frames=frames, rounds=rounds)


def from_memory(
    scene: Scene, size: tuple[int, int], *, invoke_ms: float, frames: int, rounds: int
) -> Rates:
    """Measures ours on frames that need no decoding, on the double."""
    images = list(camera_frames(size, 8))
    with double_behaves(latency_ms=scene.wait_ms(invoke_ms)):
        interpreter = scene.interpreter("usb")
        with Worker(scene.family, scene.variant, settings=scene.double) as worker:
            loops: dict[str, Loop] = {
                "bare": lambda count: _bare(interpreter, count),
                "ours": lambda count: _ours(worker, lambda: InMemory(images), count),
            }
            return in_turns(loops, frames=frames, rounds=rounds)


def on_cpu(scene: Scene, video: Path, *, frames: int, rounds: int) -> Rates:
    """Measures ours with decode on the CPU model, with one inference thread."""
    interpreter = scene.interpreter("cpu")
    settings = WorkerSettings(device="cpu", threads=1)
    with Worker(scene.family, scene.variant, settings=settings) as worker:
        loops: dict[str, Loop] = {
            "bare": lambda count: _bare(interpreter, count),
            "ours": lambda count: _ours(worker, lambda: open_source(video), count),
        }
        return in_turns(loops, frames=frames, rounds=rounds)


def in_turns(loops: dict[str, Loop], *, frames: int, rounds: int) -> Rates:
    """Runs all loops once in each round, forwards and backwards by turns."""
    found = Rates({name: [] for name in loops})
    for number in range(rounds):
        names = list(loops) if number % 2 else list(reversed(loops))
        for name in names:
            found.rounds[name].append(loops[name](frames))
    return found


def _bare(interpreter: Any, frames: int) -> float:
    for _ in range(WARM_UP):
        interpreter.invoke()
    started_s = time.perf_counter()
    for _ in range(frames):
        interpreter.invoke()
    return frames / (time.perf_counter() - started_s)


def _ours(worker: Worker, opened: Callable[[], Source], frames: int) -> float:
    source = opened()
    try:
        started_s = now_s = 0.0
        for number, _ in enumerate(run(source, worker, max_frames=WARM_UP + frames), 1):
            now_s = time.perf_counter()
            if number == WARM_UP:
                started_s = now_s
        if number != WARM_UP + frames:
            raise SystemExit(f"{source.name}: ends after {number} frames")
        return frames / (now_s - started_s)
    finally:
        source.close()
