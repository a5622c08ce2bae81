"""The controller in simulated worlds; the long version is ``tools/simulate_controller.py``."""

import numpy as np
import pytest

from tools import controller_worlds as worlds
from tools.controller_worlds import Move
from tools.simulate_controller import CONTROLLERS, PERIODS, cycles, draw, ours, score


@pytest.mark.parametrize("kind", worlds.KINDS)
def test_it_beats_the_safe_choice_without_late_frames_or_swinging(kind: str) -> None:
    made = draw(120, 4, 3000, kind)
    for trips_c in ((), worlds.THROTTLE[:1]):
        one = score([worlds.play(each, ours(trips_c)) for each in made], made)
        assert one.late <= 0.015
        assert one.per_thousand <= 10
        assert one.cycles == 0
        assert one.accuracy >= worlds.ACCURACIES[worlds.SAFE] + 1.4


def test_the_worlds_are_hard_on_a_variant_that_stays() -> None:
    made = [worlds.world(1000, 600)]
    names = ("static largest", "static safe (index 2)")
    scores = []
    for name in names:
        start, make = CONTROLLERS[name]
        scores.append(score([worlds.play(made[0], make(), start)], made))
    assert scores[0].late > 0.9
    assert scores[1].late < 0.01


def test_knowing_the_trip_point_the_chip_is_never_clocked_down() -> None:
    made = worlds.world(7004, 1500)
    blind, warned = (worlds.play(made, ours(trips_c)) for trips_c in ((), (85.0,)))
    assert blind.throttled > 0
    assert warned.throttled == 0


@pytest.mark.parametrize("factor", worlds.CONTENTION)
def test_no_square_wave_of_load_makes_it_swing(factor: float) -> None:
    for period in PERIODS[::13]:
        made = worlds.square_wave(period, factor, 1000, seed=3)
        outcome = worlds.play(made, ours())
        # What is saved up to begin with is still in these 1,000.
        assert outcome.per_thousand <= 15, period
        assert cycles(outcome.moves, made.contention) == 0, period
        assert outcome.late <= 0.015, period


def test_a_limit_cycle_is_counted_unless_the_load_changed_as_often() -> None:
    swings = [Move(window, rung) for window, rung in ((20, 3), (30, 4), (40, 3), (50, 4))]
    still = np.ones(100)
    assert cycles(swings, still) == 1
    assert cycles(swings[:3], still) == 0
    assert cycles([*swings[:3], Move(90, 4)], still) == 0
    square = np.where(np.arange(100) // 10 % 2, 1.8, 1.0)
    assert cycles(swings, square) == 0
