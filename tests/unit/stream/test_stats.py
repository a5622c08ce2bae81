import pytest

from edgescale.stream.snapshot import SinkStatus
from edgescale.stream.sources.source_spec import SourceState
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


def test_each_source_is_counted_by_itself_and_drops_and_outages_add_up() -> None:
    stats = RunStats()
    for index in range(20):
        stats.add("cat", dropped=index, now_s=index / 10, source="door")
        if index % 2:
            stats.add("dog", dropped=3, now_s=index / 10, source="yard")
    assert (stats.frames, stats.dropped) == (30, 19 + 3)
    door, yard = stats.sources["door"], stats.sources["yard"]
    assert (door.frames, yard.frames) == (20, 10)
    assert door.fps == pytest.approx(10.0)
    assert yard.fps == pytest.approx(5.0)
    assert (door.most_frequent, yard.most_frequent) == (("cat", 20), ("dog", 10))
    states = [
        SourceState("door", True, "ended", "", 2, 7.0, 40, 20),
        SourceState("yard", True, "lost", "gone", 1, 1.5, 13, 3),
        SourceState("shed", True, "opening"),
    ]
    stats.end(states, (SinkStatus("json", 29, 1, ""),))
    assert (stats.dropped, stats.outages, stats.outage_s) == (23, 3, 8.5)
    assert list(stats.sources) == ["door", "yard", "shed"]
    assert (stats.sources["yard"].outages, stats.sources["shed"].frames) == (1, 0)
    assert stats.sinks[0].dropped == 1
