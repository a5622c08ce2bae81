import pytest

from edgescale.stream.rate import RecentRate


def counted(fps: float, seconds: float) -> RecentRate:
    rate = RecentRate()
    for number in range(round(fps * seconds) + 1):
        rate.add(number / fps)
    return rate


@pytest.mark.parametrize("fps", [0.4, 1.0, 15.0, 29.97, 250.0])
def test_a_steady_rate_is_told_at_any_speed(fps: float) -> None:
    assert counted(fps, 100).fps(100.0) == pytest.approx(fps, rel=0.02)


def test_one_stamp_has_no_rate() -> None:
    rate = RecentRate()
    assert rate.fps(0.0) is None
    rate.add(0.0)
    assert rate.fps(0.1) is None


def test_only_the_last_seconds_count() -> None:
    rate = RecentRate()
    for number in range(1000):
        rate.add(number / 10)
    for number in range(1, 301):
        rate.add(99.9 + number / 30)
    assert rate.fps(109.9) == pytest.approx(30.0, rel=0.02)


def test_silence_brings_the_rate_down_to_nothing() -> None:
    rate = counted(20.0, 20.0)
    assert rate.fps(20.1) == pytest.approx(20.0)
    fading = [rate.fps(20.0 + silence_s) or 0.0 for silence_s in (1.0, 4.0, 8.0, 11.0)]
    assert fading[0] == pytest.approx(18.2, rel=0.05)
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] == 0.0


def test_a_count_from_elsewhere_is_taken_over() -> None:
    rate = RecentRate()
    for number in range(50):
        rate.add(number / 10, number * 3)
    assert rate.fps(4.9) == pytest.approx(30.0)


def test_memory_is_bounded() -> None:
    assert len(counted(300.0, 100.0)._marks) < 50
