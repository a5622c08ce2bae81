from random import Random
from typing import Any

import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.presence import Presence, PresenceLimits

LIMITS = PresenceLimits(enter=0.6, leave=0.4, duration_s=1.0)


def played(
    scores: list[float], presence: Presence | None = None, *, step_s: float = 0.25
) -> list[tuple[float, str]]:
    """Returns when what happened for a cat with these scores, a step of time apart."""
    presence = presence or Presence(LIMITS)
    found = []
    for number, score in enumerate(scores):
        at_s = number * step_s
        seen = (Prediction(0, "cat", score),) if score else ()
        found += [(at_s, one.kind) for one in presence.observe("cam", seen, at_s)]
    return found


def test_one_visit_gives_two_events_each_after_its_time() -> None:
    scores = [0.0] * 4 + [0.9] * 12 + [0.1] * 8
    assert played(scores) == [(2.0, "entered"), (5.0, "left")]


def test_a_wrong_frame_rings_no_bell() -> None:
    assert played([0.0] * 4 + [0.9] + [0.0] * 10) == []
    assert played([0.9] * 8 + [0.0] + [0.9] * 8) == [(1.0, "entered")]


def test_a_score_that_trembles_around_a_limit_enters_once_and_stays() -> None:
    assert played([0.65, 0.65, 0.55] * 20 + [0.65] * 5 + [0.55, 0.65] * 20) == [(16.0, "entered")]
    assert played([0.9] * 5 + [0.39, 0.41] * 20) == [(1.0, "entered")]


def test_below_the_limit_nobody_enters() -> None:
    assert played([0.59] * 40) == []
    assert played([0.9] + [0.59] * 40) == []


def test_one_frame_between_the_limits_begins_the_stay_anew() -> None:
    assert played([0.6] * 4 + [0.5] + [0.6] * 5) == [(2.25, "entered")]
    assert played([0.9] * 5 + [0.3] * 4 + [0.5] + [0.3] * 5) == [(1.0, "entered"), (3.5, "left")]


@pytest.mark.parametrize("frames", [0, 2, 4])
@pytest.mark.parametrize("seed", range(20))
def test_an_event_is_told_when_its_limit_held_in_every_frame(seed: int, frames: int) -> None:
    random = Random(seed)
    levels = random.choices((0.3, 0.47, 0.7), k=200)
    scores = [level for level in levels for _ in range(random.randint(1, 5))]
    wanted: list[tuple[float, str]] = []
    for last in range(frames, len(scores)):
        held, there = scores[last - frames : last + 1], len(wanted) % 2
        if max(held) < 0.45 if there else min(held) >= 0.5:
            wanted.append((last / 4, "left" if there else "entered"))
    assert len(wanted) > 2
    assert played(scores, Presence(PresenceLimits(0.5, 0.45, frames / 4))) == wanted


def test_without_a_minimum_time_every_crossing_is_told() -> None:
    presence = Presence(PresenceLimits(0.5, 0.5, 0.0))
    assert played([0.9, 0.1, 0.9, 0.1], presence) == [
        (0.0, "entered"), (0.25, "left"), (0.5, "entered"), (0.75, "left"),
    ]  # fmt: skip


def test_an_event_says_who_where_how_sure_and_how_long() -> None:
    presence = Presence(LIMITS)
    seen: list[Event] = []
    for step in range(41):
        score = 0.8 if step < 20 else 0.1
        seen += presence.observe("door", (Prediction(0, "cat", score),), step / 10)
    assert [dict(one.details) for one in seen] == [
        {"source": "door", "label": "cat", "score": 0.8, "duration_s": 1.0},
        {"source": "door", "label": "cat", "score": 0.1, "duration_s": 2.0},
    ]
    assert seen[0].text == "'cat' entered door with score 0.80"
    assert seen[1].text == "'cat' left door after 2.0 s"


def test_sources_and_labels_are_followed_apart() -> None:
    presence = Presence(PresenceLimits(0.4, 0.2, 0.0))
    two = (Prediction(0, "cat", 0.5), Prediction(1, "dog", 0.4))
    assert len(presence.observe("a", two, 0.0)) == 2
    assert len(presence.observe("b", two[:1], 0.0)) == 1
    assert [one.details["label"] for one in presence.observe("a", two[:1], 1.0)] == ["dog"]


def test_at_the_end_all_that_are_there_leave_once() -> None:
    presence = Presence(LIMITS)
    played([0.9] * 9, presence)
    presence.observe("other", (Prediction(1, "dog", 0.9),), 0.0)  # never entered
    (event,) = presence.close()
    assert (event.kind, event.details["source"], event.details["duration_s"]) == (
        "left", "cam", 2.0,
    )  # fmt: skip
    assert presence.close() == []


def test_nothing_is_kept_of_what_is_gone() -> None:
    presence = Presence(PresenceLimits(0.5, 0.5, 0.0))
    for number in range(1000):
        presence.observe("cam", (Prediction(number, f"label {number}", 0.9),), float(number))
    assert len(presence._sources["cam"]) == 1


@pytest.mark.parametrize(
    "limits", [(0.4, 0.6, 1.0), (0.5, 0.0, 1.0), (1.1, 0.5, 1.0), (0.6, 0.4, -1.0)]
)
def test_limits_that_contradict_are_refused(limits: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="presence needs"):
        PresenceLimits(*limits)


CAT = (Prediction(0, "cat", 0.9),)


def seen_at(times_s: list[float], presence: Presence) -> list[tuple[float, str, Any]]:
    """Returns what is told when of a cat that is in every picture of these times."""
    return [
        (at_s, one.kind, one.details["duration_s"])
        for at_s in times_s
        for one in presence.observe("cam", CAT, at_s)
    ]


def test_an_outage_is_no_presence() -> None:
    presence = Presence(LIMITS)
    before, after = [step / 4 for step in range(13)], [11 + step / 4 for step in range(9)]
    assert seen_at(before + after, presence) == [
        (1.0, "entered", 1.0), (11.0, "left", 3.0), (12.0, "entered", 1.0),
    ]  # fmt: skip
    assert [one.details["duration_s"] for one in presence.close()] == [2.0]


def test_who_was_not_told_yet_does_not_enter_by_an_outage() -> None:
    times_s = [0.0, 0.1, 0.2, 8.0, 8.1, 16.0, 16.1]
    assert seen_at(times_s, Presence(LIMITS)) == []


def test_who_was_about_to_leave_left_when_they_were_gone() -> None:
    presence = Presence(LIMITS)
    seen_at([step / 4 for step in range(9)], presence)
    presence.observe("cam", (), 2.25)
    presence.observe("cam", (), 2.5)
    (event,) = presence.observe("cam", (), 20.0)
    assert (event.kind, event.details["duration_s"]) == ("left", 2.25)


def test_a_slow_source_is_no_outage() -> None:
    told = seen_at([3.0 * step for step in range(10)], Presence(LIMITS))
    assert [kind for _, kind, _ in told] == ["entered"]
    presence = Presence(LIMITS)
    faster, slower = [step / 4 for step in range(9)], [2 + 3.0 * step for step in range(1, 20)]
    told = seen_at(faster + slower, presence)
    assert [kind for _, kind, _ in told] == ["entered", "left", "entered"]


def test_an_outage_is_longer_than_the_minimum_time() -> None:
    patient = Presence(PresenceLimits(enter=0.6, leave=0.4, duration_s=5.0))
    told = seen_at([step / 4 for step in range(25)] + [10.0, 10.25], patient)
    assert [kind for _, kind, _ in told] == ["entered"]


def test_the_next_file_begins_anew() -> None:
    times_s = [step / 4 for step in range(9)]
    told = seen_at(times_s + times_s, Presence(LIMITS))
    assert told == [(1.0, "entered", 1.0), (0.0, "left", 2.0), (1.0, "entered", 1.0)]


@pytest.mark.parametrize("times_s", [[0.0, 1.0, 2.0, 3.0], [0.0, 0.4, 0.8], [0.0, 1.0]])
def test_a_short_file_is_followed_by_another_visit(times_s: list[float]) -> None:
    told = seen_at(times_s * 3, Presence(PresenceLimits(enter=0.6, leave=0.4, duration_s=0.5)))
    assert [kind for _, kind, _ in told] == ["entered", "left", "entered", "left", "entered"]
    assert all(duration_s > 0 for _, _, duration_s in told)


def test_a_clock_that_trembles_is_no_new_file() -> None:
    told = seen_at([0.0, 0.25, 0.5, 0.75, 0.7, 1.0, 1.25], Presence(LIMITS))
    assert [kind for _, kind, _ in told] == ["entered"]
