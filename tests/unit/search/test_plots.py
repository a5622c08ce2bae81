"""The pictures: drawn for every kind of study, names never on top of each other."""

import struct
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.scaling.coefficients import Coefficients
from edgescale.search.plots import score_macs_png, spread_out, surface_png
from edgescale.search.score import Scoring
from edgescale.search.space import make_space
from edgescale.search.table import judge
from edgescale.search.view import StudyView
from tests.search_records import (
    BASELINE,
    CLASSES,
    RULES,
    baseline_trials,
    ended_early,
    small_space,
    trials_of,
)

SPACE = small_space()
SCORES = {0: [0.80, 0.81], 1: [0.90, 0.92], 2: [0.70, 0.71]}
FULL = StudyView({}, SPACE, trials_of(SPACE, SCORES), Scoring())
LINEAR = make_space(
    BASELINE, classes=CLASSES, rules=replace(RULES, coefficients=Coefficients.of("linear")),
    phi=1, step="0.1", tolerance="0.1",
)  # fmt: skip


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(FULL, id="two seeds"),
        pytest.param(replace(FULL, scoring=Scoring("error")), id="error"),
        pytest.param(replace(FULL, records=trials_of(SPACE, {0: [0.8], 1: [0.8]})), id="equal"),
        pytest.param(replace(FULL, records=trials_of(SPACE, {0: [0.8]})), id="incumbent alone"),
        pytest.param(replace(FULL, baseline_scores=baseline_trials(0.6)), id="baseline"),
        pytest.param(
            replace(
                FULL, records=(*FULL.records, ended_early(SPACE.candidates[3], 0, "pruned", ""))
            ),
            id="pruned",
        ),
        pytest.param(StudyView({}, LINEAR, trials_of(LINEAR, SCORES), Scoring()), id="Equation 4"),
    ],
)
def test_both_pictures_are_drawn_1200_pixels_wide(view: StudyView) -> None:
    for draw in (score_macs_png, surface_png):
        content = draw(view, judge(view))
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert (width, height) == (1200, 810)


def test_a_picture_shows_the_scores() -> None:
    other = replace(FULL, records=trials_of(SPACE, {**SCORES, 1: [0.85, 0.95]}))
    for draw in (score_macs_png, surface_png):
        assert draw(FULL, judge(FULL)) == draw(FULL, judge(FULL))
    assert score_macs_png(FULL, judge(FULL)) != score_macs_png(other, judge(other))


def test_more_candidates_than_names_fit_still_name_the_published() -> None:
    space = make_space(BASELINE, classes=CLASSES, rules=RULES, phi=2, step="0.02", tolerance="0.08")
    assert len(space.candidates) > 14
    scores = {index: [0.5 + index / 1000] for index in range(len(space.candidates))}
    view = StudyView({}, space, trials_of(space, scores), Scoring())
    assert score_macs_png(view, judge(view)).startswith(b"\x89PNG")


@given(st.lists(st.floats(0, 1), max_size=10).map(sorted))
def test_names_are_moved_apart_and_stay_within(values: list[float]) -> None:
    places = spread_out(values, 0.1, 0.0, 1.0)
    assert len(places) == len(values)
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(places))


def test_names_that_have_room_are_not_moved() -> None:
    assert spread_out([0.1, 0.5, 0.9], 0.1, 0.0, 1.0) == pytest.approx([0.1, 0.5, 0.9])
    assert spread_out([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.45, 0.55])
