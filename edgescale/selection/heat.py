"""Will the Edge TPU soon be clocked down? Judged from its temperature, before it happens.

The driver of the PCIe chip halves the clock at the first trip point, so every latency doubles at
once: too late to react without late frames. The USB stick tells no temperature; there only the
latency shows it. Sources: trip points and their clocks in ``apex_driver.c`` of
google/gasket-driver (85, 90, 95 C; 500, 250, 125, 62.5 MHz).
"""

from collections import deque
from collections.abc import Sequence
from enum import IntEnum

CLOCK_FACTOR = 2.0  # what a trip point does to the time of an inference, at most
NEAR_C = 1.5  # so close to the trip point the next reading may be beyond it
RISING_C = 6.0  # only as close as this a rise is taken for a threat
COOL_C = 5.0  # so far below it the chip is cool again
_HORIZON_READINGS = 15
_READINGS = 5  # a slope needs a few: single readings jump by some tenths


class HeatLevel(IntEnum):
    """What the temperature asks for."""

    COOL = 0  # nothing
    WARM = 1  # nothing larger than what runs
    RISING = 2  # something smaller, which heats less
    NEAR = 3  # what still keeps the budget when the clock is halved


class Heat:
    """Judges one reading after another.

    Args:
        trip_points_c: where the driver lowers the clock, ascending; none means never.
    """

    def __init__(self, trip_points_c: Sequence[float] = ()) -> None:
        self._trip_points_c = tuple(trip_points_c)
        self._readings_c: deque[float] = deque(maxlen=_READINGS)
        self.level = HeatLevel.COOL

    @property
    def celsius(self) -> float | None:
        """Returns the last reading."""
        return self._readings_c[-1] if self._readings_c else None

    def read(self, celsius: float) -> HeatLevel:
        """Takes a reading; they should come at an even pace of about a second."""
        self._readings_c.append(celsius)
        self.level = self._judged(celsius)
        return self.level

    def _judged(self, celsius: float) -> HeatLevel:
        # Beyond a trip point its effect is already in the latencies: the next one counts.
        ahead_c = next((point for point in self._trip_points_c if point > celsius), None)
        if ahead_c is None:
            return HeatLevel.WARM if self._trip_points_c else HeatLevel.COOL
        beyond_first = celsius >= self._trip_points_c[0]
        away_c = ahead_c - celsius
        if away_c <= NEAR_C:
            return HeatLevel.NEAR
        if away_c <= RISING_C and self._slope_c() * _HORIZON_READINGS >= away_c:
            return HeatLevel.RISING
        cool_c = self._trip_points_c[0] - COOL_C
        if beyond_first or celsius > cool_c:
            return HeatLevel.WARM
        return HeatLevel.COOL

    def _slope_c(self) -> float:
        """Returns the mean rise from one reading to the next."""
        if len(self._readings_c) < _READINGS:
            return 0.0
        return (self._readings_c[-1] - self._readings_c[0]) / (_READINGS - 1)
