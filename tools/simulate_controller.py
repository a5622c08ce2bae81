"""Simulates ``classify --adapt`` where the truth is known: our controller beside simpler ones.

Prints every parameter, a table over worlds with load and heat, and what a square wave of load does
at every period. Late frames are those over the budget. A limit cycle is A-B-A-B-A within 60 windows
while the load changed less than four times. The rules were tuned on other seeds (7, 8, 20 to 25)
than the one that is reported (1).

    python -m tools.simulate_controller [--worlds 6] [--windows 3000] [--seed 1]
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edgescale.device.statistics import nearest_rank
from edgescale.selection.controller import Controller, Rules, Rung
from tools import controller_worlds as worlds
from tools.controller_worlds import FITTING, LIMIT_MS, MEDIANS_MS, WINDOW, Judge, Move, Outcome

PERIODS = range(5, 201)
CYCLE_WINDOWS = 60
LARGEST = len(MEDIANS_MS) - 1
_KALMAN = (0.01, 0.01)  # variance of the slowdown from window to window, and of its measurement


def rungs(count: int = FITTING) -> tuple[Rung, ...]:
    """Returns the ladder with what a long profile of the undisturbed board would say."""
    tail = worlds.tail_factor()
    return tuple(Rung(f"phi{index}", ms, tail * ms) for index, ms in enumerate(MEDIANS_MS[:count]))


class Static:
    """Runs one variant for ever."""

    def __init__(self, rung: int) -> None:
        """Takes the rung."""
        self.rung = rung

    def observe(self, latency_ms: float) -> int:
        """Returns the rung."""
        return self.rung

    def heat(self, celsius: float) -> int:
        """Returns the rung."""
        return self.rung

    def switched(self, rung: int) -> None:
        """Never happens."""


class Greedy:
    """After each window the largest that would have kept the budget in it; no memory."""

    def __init__(self, ladder: Sequence[Rung]) -> None:
        """Starts with the largest."""
        self.ladder, self.running = ladder, len(ladder) - 1
        self.wanted = self.running
        self.latencies_ms: list[float] = []

    def observe(self, latency_ms: float) -> int:
        """Decides at the end of a window."""
        self.latencies_ms.append(latency_ms)
        if len(self.latencies_ms) == WINDOW:
            measured = nearest_rank(self.latencies_ms, 0.5) / self.ladder[self.running].median_ms
            self.latencies_ms.clear()
            slowdown = self.filtered(measured)
            fitting = [
                index
                for index, rung in enumerate(self.ladder)
                if slowdown * rung.tail_ms <= LIMIT_MS
            ]
            self.wanted = max(fitting, default=0)
        return self.wanted

    def filtered(self, slowdown: float) -> float:
        """Returns the slowdown to decide by."""
        return slowdown

    def heat(self, celsius: float) -> int:
        """Knows nothing of heat."""
        return self.wanted

    def switched(self, rung: int) -> None:
        """Starts a new window."""
        self.running = self.wanted = rung
        self.latencies_ms.clear()


class Kalman(Greedy):
    """The same with a filtered slowdown, as ALERT (USENIX ATC 2020) filters it."""

    estimate, variance = 1.0, 1.0

    def filtered(self, slowdown: float) -> float:
        """Updates a scalar Kalman filter."""
        process, measurement = _KALMAN
        self.variance += process
        gain = self.variance / (self.variance + measurement)
        self.estimate += gain * (slowdown - self.estimate)
        self.variance *= 1 - gain
        return self.estimate


def ours(trip_points_c: Sequence[float] = ()) -> Controller:
    """Returns the controller that serves."""
    return Controller(rungs(), LIMIT_MS, trip_points_c=trip_points_c)


CONTROLLERS: dict[str, tuple[int, Callable[[], Judge]]] = {
    "static largest": (LARGEST, lambda: Static(LARGEST)),
    f"static safe (index {worlds.SAFE})": (worlds.SAFE, lambda: Static(worlds.SAFE)),
    "greedy each window": (FITTING - 1, lambda: Greedy(rungs())),
    "Kalman, no dwell": (FITTING - 1, lambda: Kalman(rungs())),
    "edgescale, latency alone": (FITTING - 1, ours),
    "edgescale, temperature too": (FITTING - 1, lambda: ours(worlds.THROTTLE[:1])),
}


@dataclass(frozen=True)
class Score:
    """A controller over all worlds."""

    late: float
    accuracy: float
    per_thousand: float
    throttled: float
    cycles: int


def score(outcomes: Sequence[Outcome], made: Sequence[worlds.World]) -> Score:
    """Returns means over worlds; cycles are counted."""
    return Score(
        fmean(one.late for one in outcomes),
        fmean(one.accuracy for one in outcomes),
        fmean(one.per_thousand for one in outcomes),
        fmean(one.throttled for one in outcomes),
        sum(cycles(one.moves, of.contention) for one, of in zip(outcomes, made, strict=True)),
    )


def cycles(moves: Sequence[Move], contention: NDArray[np.float64], start: int = FITTING - 1) -> int:
    """Counts A-B-A-B-A within 60 windows while the load changed less than four times."""
    path = [Move(0, start), *moves]
    changed = np.flatnonzero(np.diff(contention)) + 1
    found = 0
    for place in range(len(path) - 4):
        five = path[place : place + 5]
        swings = all(one.rung == other.rung for one, other in zip(five, five[2:], strict=False))
        first, last = five[1].window, five[4].window
        if swings and last - first <= CYCLE_WINDOWS:
            # What made the first move lies before it.
            since = first - CYCLE_WINDOWS // 4
            changes = int(np.count_nonzero((changed >= since) & (changed <= last)))
            found += int(changes < 4)
    return found


@dataclass(frozen=True)
class Wave:
    """What square waves of one strength did, at the worst period."""

    factor: float
    cycles: int
    per_thousand: float
    late: float


def waves(factor: float, periods: Sequence[int], windows: int, seed: int) -> Wave:
    """Plays every period."""
    found, most, late = 0, 0.0, 0.0
    for period in periods:
        made = worlds.square_wave(period, factor, windows, seed)
        outcome = worlds.play(made, ours())
        found += cycles(outcome.moves, made.contention)
        most, late = max(most, outcome.per_thousand), max(late, outcome.late)
    return Wave(factor, found, most, late)


def main() -> None:
    """Prints the parameters, the table and the square waves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--windows", type=int, default=3000)
    parser.add_argument("--wave-windows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(
        f"{asked.worlds} worlds of {asked.windows} windows, square waves of {asked.wave_windows},"
        f" seed {asked.seed}"
    )
    for name, value in vars(worlds).items():
        if name.isupper():
            print(f"  {name.lower()}: {value}")
    print(f"  rules: {Rules()}\n  kalman: {_KALMAN}")
    made = [worlds.world(asked.seed * 1000 + index, asked.windows) for index in range(asked.worlds)]
    print(f"{'controller':28s} {'late':>7s} {'accuracy':>9s} {'moves/1000':>10s} cycles throttled")
    for name, (start, make) in CONTROLLERS.items():
        one = score([worlds.play(each, make(), start) for each in made], made)
        print(
            f"{name:28s} {one.late:7.2%} {one.accuracy:8.2f}% {one.per_thousand:10.1f}"
            f" {one.cycles:6d} {one.throttled:9.1%}"
        )
    for factor in worlds.CONTENTION:
        wave = waves(factor, PERIODS, asked.wave_windows, asked.seed)
        print(
            f"square wave x{factor:g}, periods {PERIODS[0]} to {PERIODS[-1]}: {wave.cycles} limit"
            f" cycles; at the worst period {wave.per_thousand:.1f} moves/1000, {wave.late:.2%} late"
        )


if __name__ == "__main__":
    main()
