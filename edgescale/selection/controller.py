"""Which variant of a ladder should run now, judged from the latencies of a live run.

A board that heats up or shares its cores slows down all variants by about the same factor, so one
number, the slowdown (measured over profiled median of the same variant), predicts what each of them
would take (the idea of ALERT, USENIX ATC 2020). Down at once, because late frames are what a
budget forbids; up only after head-room has lasted, and ever more slowly where that was a mistake,
because a controller that swings is worse than a small model.

Pure: latencies and temperatures in, a rung out. No clock, no thread.
"""

from collections.abc import Callable, Sequence
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
        dwell: windows between two moves, unless the second one goes down.
        failed_within: an up-move is a failure when so few windows later the way leads down.
        back_off: the most by which failures multiply ``lasting`` and ``dwell``, doubling each time.
        forgiven_after: windows after which the factor halves.
        trial: the same as ``lasting`` where there is head-room only if what slows the run is a time
            for each frame, not a factor.
    """

    head_room: float = 0.85
    as_profiled: float = 1.05
    landing: float = 0.95
    lasting: int = 3
    dwell: int = 20
    failed_within: int = 120
    back_off: int = 16
    forgiven_after: int = 300
    trial: int = 12


@dataclass
class _Lasting:
    """For how many windows in a row there has been room, and up to which rung in all of them.

    By the slowdown, or by the delay: the frames of a camera wake a worker that slept, which takes a
    small variant longer than its profile by a large factor, and a large one by the same time.
    """

    running: int
    rung: int = 0
    windows: int = 0

    def look(self, room: int) -> None:
        """Takes the largest rung with room in one more window."""
        self.rung = min(self.rung, room) if self.windows else room
        self.windows = self.windows + 1 if room > self.running else 0


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
        self._delay_ms = 0.0
        self._room, self._trial = _Lasting(self.running), _Lasting(self.running)
        self._since_move = 0
        self._since_up: int | None = None  # windows since an up-move that has not failed yet
        self._factor = 1
        self._since_factor = 0

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
            self._since_up = 0 if rung > self.running else None
            self._since_move = 0
        self.running = self.wanted = rung
        self._room, self._trial = _Lasting(rung), _Lasting(rung)
        self._forget_window()

    def refused(self) -> None:
        """Takes note that the rung wanted could not be loaded; it is asked for later again."""
        self.wanted = self.running
        self._since_move = 0
        self._back_off()

    def _break(self) -> None:
        """Goes down: the slowdown of the last few results says how far."""
        recent = self._latencies_ms[-_LATE_PER_WINDOW - 1 :]
        self.slowdown = nearest_rank(recent, 0.5) / self._ladder[self.running].median_ms
        self._pass_windows()
        self._forget_window()
        self.why = LATE
        self._down(self.slowdown)

    def _judge_window(self) -> None:
        """Measures by how much, and by how long, the running rung is slowed down."""
        rung = self._ladder[self.running]
        tail = (self.window_results - _LATE_PER_WINDOW) / self.window_results
        self.slowdown = max(
            nearest_rank(self._latencies_ms, 0.5) / rung.median_ms,
            nearest_rank(self._latencies_ms, tail) / rung.tail_ms,
        )
        self._delay_ms = max(
            nearest_rank(self._latencies_ms, 0.5) - rung.median_ms,
            nearest_rank(self._latencies_ms, tail) - rung.tail_ms,
        )
        self._pass_windows()
        self._forget_window()
        if self.wanted == self.running and self.running + 1 < len(self._ladder):
            self._look_up()

    def _look_up(self) -> None:
        """Goes up where head-room has lasted, to the largest rung for which it has."""
        factor, rules = self._factor, self._rules
        slowdown = 1.0 if self.slowdown <= rules.as_profiled else self.slowdown
        self._room.look(self._room_when(lambda tail_ms: slowdown * tail_ms, slowdown == 1.0))
        self._trial.look(self._room_when(lambda tail_ms: self._delay_ms + tail_ms))
        if self._heat.level != HeatLevel.COOL or self._since_move < factor * rules.dwell:
            return
        if self._room.windows >= factor * rules.lasting:
            self.wanted, self.why = self._room.rung, HEAD_ROOM
        elif self._trial.windows >= factor * rules.trial:
            self.wanted, self.why = self._trial.rung, TRIAL

    def _room_when(self, predicted_ms: Callable[[float], float], all_fit: bool = False) -> int:
        """Returns the largest rung above with head-room by a prediction, or the running one."""
        most_ms = self._rules.head_room * self.limit_ms
        above = range(self.running + 1, len(self._ladder))
        fitting = (r for r in above if all_fit or predicted_ms(self._ladder[r].tail_ms) < most_ms)
        return max(fitting, default=self.running)

    def _down(self, slowdown: float) -> None:
        fitting_ms = self._rules.landing * self.limit_ms
        below = min(self.running, self.wanted)
        target = below - 1 if below == self.running else below
        while target > 0 and slowdown * self._ladder[target].tail_ms > fitting_ms:
            target -= 1
        self.wanted = max(0, target)
        if self.wanted < self.running and self._since_up is not None:
            self._since_up = None
            self._back_off()

    def _back_off(self) -> None:
        self._factor = min(self._rules.back_off, 2 * self._factor)
        self._since_factor = 0

    def _pass_windows(self) -> None:
        """Counts a window, and forgives what is long past."""
        rules = self._rules
        self._since_move += 1
        self._since_factor += 1
        if self._since_up is not None:
            self._since_up += 1
            if self._since_up > rules.failed_within:
                self._since_up = None
        if self._since_factor >= rules.forgiven_after:
            self._factor, self._since_factor = max(1, self._factor // 2), 0

    def _forget_window(self) -> None:
        self._latencies_ms.clear()
        self._late = 0

    def _predicted_ms(self, rung: int) -> float:
        return self.slowdown * self._ladder[rung].tail_ms
