import pytest

from edgescale.stream.sources.pacing import Pace
from tests.fakes import Clock


def waits_s(*positions_s: float | None, late_s: float = 0.0) -> list[float]:
    """Returns the waits where each frame takes so long beyond its wait."""
    clock = Clock()
    pace = Pace(clock)
    found = []
    for position_s in positions_s:
        found.append(pace.wait_s(position_s))
        clock.now_s += found[-1] + late_s
    return found


def test_frames_of_a_video_are_due_at_their_positions() -> None:
    assert waits_s(0.0, 0.04, 0.08, 0.5) == pytest.approx([0, 0.04, 0.04, 0.42])


def test_work_between_the_frames_is_no_wait_and_what_is_late_is_not_made_up_for() -> None:
    assert waits_s(0.0, 0.04, 0.08, late_s=0.01) == pytest.approx([0, 0.03, 0.03])
    assert waits_s(0.0, 0.04, 0.08, late_s=0.1) == [0, 0, 0]
    clock = Clock()
    pace = Pace(clock)
    pace.wait_s(0.0)
    clock.now_s = 7.0
    assert [pace.wait_s(0.04), pace.wait_s(0.08)] == pytest.approx([0, 0.04])


def test_images_and_the_next_file_come_at_thirty_a_second_and_a_jump_is_cut() -> None:
    step_s = 1 / 30
    assert waits_s(None, None, 5.0, 5.04, 0.0, 0.04) == pytest.approx(
        [0, step_s, step_s, 0.04, step_s, 0.04]
    )
    assert waits_s(0.0, 95_443.7) == [0, 10.0]
