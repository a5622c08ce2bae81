import math
from itertools import pairwise

import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.smoothing import Smoother

LABELS = ("cat", "dog", "bird", "fish")


def scores(**found: float) -> tuple[Prediction, ...]:
    """Returns a top-k of these, best first."""
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return tuple(Prediction(LABELS.index(label), label, score) for label, score in ordered)


def by_label(found: tuple[Prediction, ...]) -> dict[str, float]:
    return {one.label: one.score for one in found}


def test_the_first_frame_is_shown_as_it_is() -> None:
    found = scores(cat=0.7, dog=0.2)
    assert Smoother(2.0)("cam", found, 5.0) == found


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_after_its_time_constant_63_percent_of_a_change_show_at_any_rate(steps: int) -> None:
    smooth = Smoother(2.0)
    for second in range(-40, 1):
        smooth("cam", scores(cat=1.0, dog=0.0), float(second))
    for step in range(1, steps + 1):
        shown = smooth("cam", scores(cat=0.0, dog=1.0), 2.0 * step / steps)
    assert by_label(shown)["dog"] == pytest.approx(1 - math.exp(-1))
    assert by_label(shown)["cat"] == pytest.approx(math.exp(-1))


def test_a_run_that_begins_with_a_wrong_frame_is_soon_right() -> None:
    smooth = Smoother(5.0)
    smooth("cam", scores(dog=0.9), 0.0)
    smooth("cam", scores(cat=0.9), 0.1)
    shown = smooth("cam", scores(cat=0.9), 0.2)
    assert by_label(shown) == pytest.approx({"cat": 0.6}, abs=0.01)


def test_two_frames_of_one_moment_show_the_first() -> None:
    smooth = Smoother(1.0)
    smooth("cam", scores(cat=0.9), 1.0)
    assert smooth("cam", scores(dog=0.9), 1.0) == scores(cat=0.9)


def flips(labels: list[str]) -> int:
    return sum(one != other for one, other in pairwise(labels))


def test_a_flickering_answer_becomes_steady_and_a_real_change_shows() -> None:
    smooth, raw, shown = Smoother(1.0), [], []
    for frame in range(600):  # 20 s at 30 fps; every third frame is wrong
        there, other = ("cat", "dog") if frame < 300 else ("dog", "cat")
        best = other if frame % 3 == 0 else there
        found = scores(**{best: 0.6, there if best == other else other: 0.4})
        raw.append(found[0].label)
        shown.append(smooth("cam", found, frame / 30)[0].label)
    assert flips(raw) > 350
    assert set(shown[10:310]) == {"cat"}
    assert set(shown[345:]) == {"dog"}
    assert flips(shown[10:]) < 10


def test_k_may_change_and_as_many_come_back_as_were_found() -> None:
    smooth = Smoother(1.0)
    smooth("cam", scores(cat=0.9), 0.0)
    shown = smooth("cam", scores(dog=0.5, bird=0.3, fish=0.1), 0.1)
    assert [one.label for one in shown] == ["cat", "dog", "bird"]
    assert len(smooth("cam", (), 0.2)) == 0
    assert smooth("cam", scores(dog=0.9), 0.3)[0].label == "dog"


def test_sources_do_not_mix() -> None:
    smooth = Smoother(10.0)
    smooth("a", scores(cat=1.0), 0.0)
    smooth("a", scores(cat=1.0), 0.05)
    assert smooth("b", scores(dog=1.0), 0.1)[0].label == "dog"
    assert smooth("a", scores(dog=1.0), 0.1)[0].label == "cat"


def test_a_step_back_in_time_begins_anew() -> None:
    smooth = Smoother(10.0)
    smooth("cam", scores(cat=1.0), 100.0)
    assert smooth("cam", scores(dog=1.0), 0.0) == scores(dog=1.0)


def test_equal_scores_go_by_class_id() -> None:
    smooth = Smoother(1.0)
    smooth("cam", scores(dog=0.5, cat=0.5), 0.0)
    assert [one.label for one in smooth("cam", scores(dog=0.5, cat=0.5), 1.0)] == ["cat", "dog"]


def test_what_has_faded_is_forgotten() -> None:
    smooth = Smoother(0.1)
    for number in range(5000):
        label = f"label {number}"
        smooth("cam", (Prediction(number, label, 0.9),), number / 10)
    average = smooth._sources["cam"]
    assert len(average._scores) < 20
    assert len(average._labels) < 60


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_time_constant_must_be_a_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="above 0 s"):
        Smoother(seconds)
