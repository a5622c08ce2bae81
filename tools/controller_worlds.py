"""Worlds for a controller of the variant: load that comes and goes, a chip that heats up.

One ladder of six variants 1.35 apart, of which the budget admits five when nothing disturbs; its
accuracies are invented, in the range of EfficientNet-Lite. Frames come at a camera's pace. Heat
depends on what the controller lets run, so it is computed along the way. How long it stays calm
and cool is our choice, so there are two kinds of worlds.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LIMIT_MS = 33.0
FRAME_S = 1 / 30
WINDOW = 100  # frames
STEP = 1.35
MEDIANS_MS = tuple(28.5 * STEP**power for power in range(-4, 2))
ACCURACIES = (71.5, 72.7, 73.8, 75.4, 76.8, 78.2)  # percent
FITTING = 5  # so many variants keep the budget undisturbed
SAFE = 2  # the largest that keeps it under all load and heat together
NOISE = 0.04  # sigma of the logarithm
SPIKES = (0.005, 1.3, 2.0)  # share of the frames, smallest and largest factor
CONTENTION = (1.25, 1.8)  # either, by equal chance
LOADED_WINDOWS = (5.0, 200.0)  # uniform in the logarithm
WARM_WINDOWS = (100.0, 400.0)  # uniform; so long the surroundings stay warm
AMBIENT_C = (25.0, 38.0)  # usually, and while warm
FULL_LOAD_C = 60.0  # above ambient, in the end, when the chip never rests
HEAT_TIME_WINDOWS = 40.0
THROTTLE = (85.0, 75.0, 2.0)  # C above which, C until which, factor
LOAD_FRAMES = 15  # until a variant that is not loaded can take over
KINDS = {
    "calm": (250.0, 1000.0),
    "busy": (150.0, 800.0),
}  # windows without load, and not warm: means
_READINGS = 3  # of the temperature in a window of 3.3 s


class Judge(Protocol):
    """A controller, ours or another one."""

    def observe(self, latency_ms: float) -> int:
        """Takes a latency and returns the rung to run."""

    def heat(self, celsius: float) -> int:
        """Takes a temperature and returns the rung to run."""

    def switched(self, rung: int) -> None:
        """Takes note of the rung that runs from now on."""


@dataclass(frozen=True, eq=False)
class World:
    """What happens to a board, window by window."""

    contention: NDArray[np.float64]  # (windows,) factor
    ambient_c: NDArray[np.float64]  # (windows,)
    noise: NDArray[np.float64]  # (windows, WINDOW) factor


@dataclass(frozen=True)
class Move:
    """The window in which another rung took over."""

    window: int
    rung: int


@dataclass(frozen=True)
class Outcome:
    """What a controller came to in one world."""

    late: float  # share of frames
    accuracy: float  # mean of the models served, percent
    moves: tuple[Move, ...]
    windows: int
    throttled: float  # share of windows

    @property
    def per_thousand(self) -> float:
        """Returns the moves in a thousand windows."""
        return 1000 * len(self.moves) / self.windows


def tail_factor(fraction: float = 0.95) -> float:
    """Returns the quantile of the noise over its median: what a long profile would measure."""
    draws = noise(np.random.default_rng(0), 4000)
    return float(np.quantile(draws, fraction))


def noise(random: np.random.Generator, windows: int) -> NDArray[np.float64]:
    """Draws the factor of each frame: (windows, WINDOW)."""
    share, low, high = SPIKES
    shape = (windows, WINDOW)
    spiked = np.where(random.random(shape) < share, random.uniform(low, high, shape), 1.0)
    return np.asarray(np.exp(NOISE * random.standard_normal(shape)) * spiked)


def world(seed: int, windows: int, kind: str = "calm") -> World:
    """Draws a world; the lengths in its ``kind`` are exponential."""
    calm_windows, gap_windows = KINDS[kind]
    random = np.random.default_rng(seed)
    contention = np.ones(windows)
    start = random.exponential(calm_windows)
    while start < windows:
        low, high = map(math.log, LOADED_WINDOWS)
        length = math.exp(random.uniform(low, high))
        contention[int(start) : int(start + length)] = random.choice(CONTENTION)
        start += length + random.exponential(calm_windows)
    ambient_c = np.full(windows, AMBIENT_C[0])
    start = random.exponential(gap_windows)
    while start < windows:
        length = random.uniform(*WARM_WINDOWS)
        ambient_c[int(start) : int(start + length)] = AMBIENT_C[1]
        start += length + random.exponential(gap_windows)
    return World(contention, ambient_c, noise(random, windows))


def square_wave(period: int, factor: float, windows: int, seed: int) -> World:
    """Returns a cool world with load in the second half of each period."""
    loaded = np.arange(windows) % period >= period // 2
    contention = np.where(loaded, factor, 1.0)
    ambient_c = np.full(windows, AMBIENT_C[0])
    return World(contention, ambient_c, noise(np.random.default_rng(seed), windows))


def play(made: World, judge: Judge, start: int = FITTING - 1) -> Outcome:
    """Lets a controller run through a world, from the rung that runs first."""
    windows = len(made.contention)
    running, standby, wanted, ready = start, max(0, start - 1), start, 0
    late = accuracy = throttled = 0.0
    celsius, slow = AMBIENT_C[0], 1.0
    moves: list[Move] = []
    frame = 0
    for window in range(windows):
        factors = (made.noise[window] * made.contention[window] * slow).tolist()
        throttled += slow > 1
        for place, factor in enumerate(factors):
            if wanted != running and frame >= ready:
                running, standby = wanted, running
                moves.append(Move(window, running))
                judge.switched(running)
            latency_ms = MEDIANS_MS[running] * factor
            late += latency_ms > LIMIT_MS
            accuracy += ACCURACIES[running]
            asked = judge.observe(latency_ms)
            if (place + 1) % (WINDOW // _READINGS) == 0:
                celsius = _warmed(celsius, made.ambient_c[window], running, slow)
                slow = _throttle(celsius, slow)
                asked = judge.heat(celsius)
            if asked != wanted:
                wanted, ready = asked, frame if asked == standby else frame + LOAD_FRAMES
            frame += 1
    return Outcome(late / frame, accuracy / frame, tuple(moves), windows, throttled / windows)


def _warmed(celsius: float, ambient_c: float, running: int, slow: float) -> float:
    """A halved clock does the same work with less heat, or less work where it cannot keep up."""
    busy = min(1.0, MEDIANS_MS[running] / 1000 / FRAME_S, 1.0 / slow)
    end_c = ambient_c + FULL_LOAD_C * busy
    return celsius + (end_c - celsius) / (HEAT_TIME_WINDOWS * _READINGS)


def _throttle(celsius: float, slow: float) -> float:
    above_c, until_c, factor = THROTTLE
    if celsius > above_c:
        return factor
    return 1.0 if celsius < until_c else slow
