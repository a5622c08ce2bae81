import pytest

from edgescale.stream.stats import RunStats, fps


@pytest.mark.parametrize("stamps", range(2, 31))
def test_events_a_tenth_of_a_second_apart_are_ten_a_second(stamps: int) -> None:
    assert fps([index * 0.1 for index in range(stamps)]) == pytest.approx(10.0)


def test_one_event_has_no_rate() -> None:
    assert fps([]) is None
    assert fps([1.0]) is None
    assert fps([1.0, 1.0]) is None


def test_a_run_counts_frames_rate_drops_and_the_most_frequent_label() -> None:
    stats = RunStats()
    for index, label in enumerate(["cat", None, "dog", "cat"]):
        stats.add(label, dropped=index, now_s=5 + index / 4)
    assert (stats.frames, stats.dropped, stats.fps) == (4, 3, 4.0)
    assert stats.most_frequent == ("cat", 2)
    assert RunStats().most_frequent is None
