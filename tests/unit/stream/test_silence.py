"""How long a run is silent, and how long it may be."""

from edgescale.stream.silence import Silence, wanted_pauses_s
from edgescale.stream.sources.source_spec import SourceSpec
from tests.fakes import Clock
from tests.snapshots import snapshot, source


def test_a_source_may_pause_for_three_of_its_intervals() -> None:
    door, yard = SourceSpec("0", "door", max_fps=0.02), SourceSpec("1", "yard", max_fps=5)
    assert wanted_pauses_s([door, yard, SourceSpec("2")]) == {"door": 150.0, "yard": 0.6}


def test_of_the_sources_that_play_the_one_that_may_pause_least_counts() -> None:
    silence = Silence({"door": 150.0, "yard": 0.6})
    for states, wanted_s in (
        ({"door": "playing", "yard": "playing", "gate": "lost"}, 0.6),
        ({"door": "playing", "yard": "playing", "gate": "playing"}, 0.0),
        ({"door": "playing", "yard": "lost", "gate": "ended"}, 150.0),
        ({"door": "lost"}, 0.0),
    ):
        now = tuple(source(name=name, state=state) for name, state in states.items())
        silence.observe(snapshot(sources=now))
        assert silence.wanted_s == wanted_s


def test_it_begins_with_the_first_result_or_outage_and_is_broken_by_each() -> None:
    clock = Clock()
    silence = Silence({}, clock)
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
    silence = Silence({}, clock)
    silence.observe(snapshot(sources=()))  # a model is still loaded or measured
    clock.now_s += 600
    assert (silence.observe(snapshot(sources=())), silence.begun) == (0.0, False)
