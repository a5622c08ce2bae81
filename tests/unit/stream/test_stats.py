import pytest

from edgescale.stream.stats import RunStats, rate


@pytest.mark.parametrize("stamps", range(2, 31))
def test_events_a_tenth_of_a_second_apart_are_ten_a_second(stamps: int) -> None:
    assert rate(stamps, (stamps - 1) * 0.1) == pytest.approx(10.0)


def test_one_event_has_no_rate() -> None:
    assert rate(0, 0.0) is None
    assert rate(1, 1.0) is None
    assert rate(2, 0.0) is None


def test_a_run_counts_frames_rate_drops_and_the_most_frequent_label() -> None:
    stats = RunStats()
    for index, label in enumerate(["cat", None, "dog", "cat"] * 3):
        stats.add(label, dropped=index, now_s=5 + index / 4)
    assert (stats.frames, stats.dropped, stats.fps) == (12, 11, 4.0)
    assert stats.most_frequent == ("cat", 6)
    assert RunStats().most_frequent is None


def test_a_handful_of_frames_has_no_rate() -> None:
    stats = RunStats()
    for index in range(9):
        stats.add(None, dropped=0, now_s=index / 10_000)
    assert stats.fps is None
