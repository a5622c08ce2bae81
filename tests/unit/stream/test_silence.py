"""How long a run is silent, and how long it may be."""

from edgescale.stream.silence import Silence, longest_pause_s
from edgescale.stream.sources.source_spec import SourceSpec
from tests.fakes import Clock
from tests.snapshots import snapshot, source


def test_the_pause_is_that_of_the_slowest_source() -> None:
    door, yard = SourceSpec("0", "door", max_fps=0.02), SourceSpec("1", "yard", max_fps=5)
    assert longest_pause_s([door, yard, SourceSpec("2")]) == 150.0
    assert longest_pause_s([SourceSpec("2")]) == 0.0


def test_it_begins_with_the_first_result_or_outage_and_is_broken_by_each() -> None:
    clock = Clock()
    silence = Silence(clock)
    assert (silence.begun, silence.lasts_s()) == (False, 0.0)
    for after_s, change, seen in (
        (5, {"frames": 0, "state": "opening"}, (0.0, False)),
        (5, {"frames": 0, "state": "playing"}, (5.0, False)),
        (5, {"frames": 0, "state": "lost"}, (0.0, True)),
        (5, {"frames": 0, "state": "playing"}, (5.0, True)),
        (5, {"frames": 2, "state": "playing"}, (0.0, True)),
        (5, {"frames": 2, "state": "playing"}, (5.0, True)),
        (5, {"frames": 2, "state": "ended"}, (0.0, True)),
    ):
        clock.now_s += after_s
        assert (silence.observe(snapshot(sources=(source(**change),))), silence.begun) == seen
    clock.now_s += 7
    assert silence.lasts_s() == 7.0


def test_nothing_known_of_the_sources_is_no_silence() -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.observe(snapshot(sources=()))  # a model is still loaded or measured
    clock.now_s += 600
    assert (silence.observe(snapshot(sources=())), silence.begun) == (0.0, False)
