"""Which variant of a ladder should run now, judged from the latencies of a live run.

A board that heats up or shares its cores slows down all variants by about the same factor, so one
number, the slowdown (measured over profiled median of the same variant), predicts what each of them
would take (the idea of ALERT, USENIX ATC 2020). Down at once, because late frames are what a
budget forbids; up as soon as head-room has lasted, but ever more slowly where that was a mistake,
not twice to the same variant within a minute or two, and not more often than an allowance of moves
permits, because a controller that swings is worse than a small model.

Pure: latencies and temperatures in, a rung out. No clock, no thread.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edgescale.device.statistics import nearest_rank
from edgescale.selection.heat import CLOCK_FACTOR, Heat, HeatLevel

LATE, HEAT, HEAD_ROOM, TRIAL = "late frames", "heat", "head-room", "trial"

_LATE_PER_WINDOW = 5  # a window is as long as makes this the share that the percentile allows


@dataclass(frozen=True)
class Rung:
    """One variant of the ladder.

    Attributes:
        name: of the variant.
        median_ms: latency in its profile.
        tail_ms: the budgeted percentile of it, p95 or p99.
    """

    name: str
    median_ms: float
    tail_ms: float


@dataclass(frozen=True)
class Rules:
    """When the controller moves.

    Attributes:
        head_room: an up-move needs a predicted tail below this share of the budget.
        as_profiled: or a slowdown of at most this: then the profile's own verdict stands, by which
            every variant of the ladder fits.
        landing: a down-move goes to what is predicted below this share of the budget.
        lasting: windows in a row for which there must be head-room.
        trial: the same where there is head-room only by the medians, not by the tails.
        failed_within: an up-move is a failure when so few windows later the way leads down.
        back_off: the most by which failures multiply ``lasting``, ``trial`` and ``again_after``,
            doubling each time.
        forgiven_after: windows after which the factor halves.
        again_after: windows from going up to a variant until it may be gone up to again.
        moves_per_thousand: windows, in the long run; so many are allowed, and may be saved up.
        moves_saved: at most, and to begin with.
        up_needs: moves saved before a way up of several rungs, one for the way back.
        small_up_needs: the same for a way up of one rung, which gains less.
    """

    head_room: float = 0.85
    as_profiled: float = 1.05
    landing: float = 0.95
    lasting: int = 3
    trial: int = 10
    failed_within: int = 60
    back_off: int = 16
    forgiven_after: int = 200
    again_after: int = 61
    moves_per_thousand: float = 8.5
    moves_saved: float = 5.5
    up_needs: float = 2.0
    small_up_needs: float = 4.5


class Controller:
    """Says which rung should run.

    Args:
        ladder: the variants, smallest first, each of which fits the budget by its profile.
        limit_ms: the latency budget.
        percentile: 95 or 99; a window is 100 or 500 results, so that five may be late in it.
        trip_points_c: where an Edge TPU's driver lowers its clock; none where it tells nothing.
        rules: when it moves.
    """

    def __init__(
        self,
        ladder: Sequence[Rung],
        limit_ms: float,
        *,
        percentile: int = 95,
        trip_points_c: Sequence[float] = (),
        rules: Rules | None = None,
    ) -> None:
        if not ladder:
            raise ValueError("the ladder is empty; it needs at least the variant that runs")
        self._ladder, self.limit_ms = tuple(ladder), limit_ms
        self._rules = rules or Rules()
        self._heat = Heat(trip_points_c)
        self.window_results = _LATE_PER_WINDOW * 100 // (100 - percentile)
        self.running = self.wanted = len(self._ladder) - 1
        self.slowdown = 1.0
        self.why = ""  # the last reason to want another rung
        self._latencies_ms: list[float] = []
        self._late = 0
        # The largest rung with room in each window since the last move, latest last.
        longest = self._rules.back_off * max(self._rules.lasting, self._rules.trial)
        self._room: deque[int] = deque(maxlen=longest)
        self._trial: deque[int] = deque(maxlen=longest)
        # Times in windows: a broken one is shorter, so they are no whole numbers.
        self._now = 0.0
        self._up_at: float | None = None  # the last up-move, while it may still prove a failure
        self._barred_until = [0.0] * len(self._ladder)  # for ways up
        self._refused_until = 0.0
        self._saved_moves = self._rules.moves_saved
        self._factor, self._factor_at = 1, 0.0

    def observe(self, latency_ms: float) -> int:
        """Takes the latency of a result of the running rung and returns the rung to run."""
        self._latencies_ms.append(latency_ms)
        self._late += latency_ms > self.limit_ms
        if self._late > _LATE_PER_WINDOW:  # whatever follows, the window's percentile is broken
            self._break()
        elif len(self._latencies_ms) == self.window_results:
            self._judge_window()
        return self.wanted

    def heat(self, celsius: float) -> int:
        """Takes a temperature of the Edge TPU, about one a second, and returns the rung to run."""
        before, level = self._heat.level, self._heat.read(celsius)
        if level > before and level >= HeatLevel.RISING and self.wanted >= self.running:
            factor = CLOCK_FACTOR if level == HeatLevel.NEAR else 1.0
            if factor * self._predicted_ms(self.running) > self.limit_ms or factor == 1.0:
                self.why = HEAT
                self._down(factor * self.slowdown)
        return self.wanted

    def switched(self, rung: int) -> None:
        """Takes note that another rung runs from now on."""
        if rung != self.running:
            self._saved_moves -= 1.0
            self._up_at = None
            if rung > self.running:
                self._up_at = self._now
                self._barred_until[rung] = self._now + self._factor * self._rules.again_after
        self.running = self.wanted = rung
        self._start_anew()

    def refused(self) -> None:
        """Takes note that the rung wanted could not be loaded; one is asked for again later."""
        self._back_off()
        self._refused_until = self._now + self._factor
        self.wanted = self.running
        self._start_anew()

    def _break(self) -> None:
        """Goes down: the slowdown of the last few results says how far."""
        recent = self._latencies_ms[-_LATE_PER_WINDOW - 1 :]
        self.slowdown = nearest_rank(recent, 0.5) / self._ladder[self.running].median_ms
        self._pass_window()
        self._start_anew()
        self.why = LATE
        self._down(self.slowdown)

    def _judge_window(self) -> None:
        """Measures by how much the running rung is slowed down, and looks for head-room."""
        rung = self._ladder[self.running]
        median_ms = nearest_rank(self._latencies_ms, 0.5)
        allowed = (self.window_results - _LATE_PER_WINDOW) / self.window_results
        slowed = median_ms / rung.median_ms
        self.slowdown = max(slowed, nearest_rank(self._latencies_ms, allowed) / rung.tail_ms)
        self._pass_window()
        self._forget_window()
        if self.wanted == self.running and self.running + 1 < len(self._ladder):
            most_ms = self._rules.head_room * self.limit_ms
            self._room.append(self._largest(self.slowdown, math.inf, most_ms))
            self._trial.append(self._largest(slowed, median_ms - rung.median_ms, self.limit_ms))
            self._look_up()

    def _look_up(self) -> None:
        """Goes up where head-room has lasted, to the largest rung for which it has."""
        if self._heat.level != HeatLevel.COOL or self._now < self._refused_until:
            return
        rules = self._rules
        for rooms, windows, why in (
            (self._room, self._factor * rules.lasting, HEAD_ROOM),
            (self._trial, self._factor * rules.trial, TRIAL),
        ):
            rung = min(list(rooms)[-windows:]) if len(rooms) >= windows else self.running
            while self._now < self._barred_until[rung]:
                rung -= 1
            needed = rules.small_up_needs if rung == self.running + 1 else rules.up_needs
            if rung > self.running and self._saved_moves >= needed:
                self.wanted, self.why = rung, why
                return

    def _largest(self, slowdown: float, delay_ms: float, most_ms: float) -> int:
        """Returns the largest rung that has room by a slowdown, or by a delay of every frame.

        A camera's frames wake a worker that slept: that takes a small variant longer than its
        profile by a large factor, and a large one by the same time.
        """
        if slowdown <= self._rules.as_profiled:
            return len(self._ladder) - 1
        fitting = [self.running]
        for rung in range(self.running + 1, len(self._ladder)):
            tail_ms = self._ladder[rung].tail_ms
            if min(slowdown * tail_ms, delay_ms + tail_ms) < most_ms:
                fitting.append(rung)
        return max(fitting)

    def _down(self, slowdown: float) -> None:
        fitting_ms = self._rules.landing * self.limit_ms
        below = min(self.running, self.wanted)
        target = below - 1 if below == self.running else below
        while target > 0 and slowdown * self._ladder[target].tail_ms > fitting_ms:
            target -= 1
        self.wanted = self.running if self._now < self._refused_until else max(0, target)
        if self.wanted < self.running and self._up_at is not None:
            if self._now - self._up_at <= self._rules.failed_within:
                self._back_off()
            self._up_at = None

    def _back_off(self) -> None:
        self._factor = min(self._rules.back_off, 2 * self._factor)
        self._factor_at = self._now

    def _pass_window(self) -> None:
        """Lets the time pass that the results took, saves moves, and forgives what is long past."""
        rules, windows = self._rules, len(self._latencies_ms) / self.window_results
        self._now += windows
        saved = self._saved_moves + windows * rules.moves_per_thousand / 1000
        self._saved_moves = min(rules.moves_saved, saved)
        if self._now - self._factor_at >= rules.forgiven_after:
            self._factor, self._factor_at = max(1, self._factor // 2), self._now

    def _start_anew(self) -> None:
        """What was seen until now says nothing of head-room any more."""
        self._room.clear()
        self._trial.clear()
        self._forget_window()

    def _forget_window(self) -> None:
        self._latencies_ms.clear()
        self._late = 0

    def _predicted_ms(self, rung: int) -> float:
        return self.slowdown * self._ladder[rung].tail_ms
