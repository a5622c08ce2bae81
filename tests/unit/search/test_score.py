"""Scores: the patent's final, mean and best of the last epochs."""

import logging

import pytest

from edgescale.errors import SearchError
from edgescale.search.score import Scoring, parse_scoring

CURVE = (0.1, 0.2, 0.5, 0.4, 0.45)


@pytest.mark.parametrize(
    ("text", "metric", "score"),
    [
        ("final", "accuracy", 0.45),
        ("mean:2", "accuracy", 0.425),
        ("max:5", "accuracy", 0.5),
        ("max:2", "accuracy", 0.45),
        ("mean:1", "accuracy", 0.45),
        ("final", "error", 0.55),
        ("mean:2", "error", 0.575),
        ("max:5", "error", 0.5),
    ],
)
def test_a_curve_becomes_one_number(text: str, metric: str, score: float) -> None:
    assert parse_scoring(text, metric).score(CURVE) == pytest.approx(score, abs=1e-15)


def test_the_metric_decides_what_is_better() -> None:
    assert Scoring("accuracy").better(0.9, 0.8)
    assert Scoring("error").better(0.1, 0.2)
    assert not Scoring("accuracy").better(0.9, 0.9)
    assert (Scoring("accuracy").direction, Scoring("error").direction) == ("maximize", "minimize")


@pytest.mark.parametrize("text", ["final", "mean:5", "max:10"])
def test_a_scoring_is_written_as_it_is_read(text: str) -> None:
    assert parse_scoring(text).text == text


@pytest.mark.parametrize(
    "text", ["", "best", "mean", "mean:", "mean:0", "mean:-1", "mean:2.5", "max:²", "final:2"]
)
def test_other_scores_are_refused(text: str) -> None:
    with pytest.raises(SearchError, match="give final, mean:K or max:K"):
        parse_scoring(text)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(SearchError, match="metric 'perplexity' is not known; accuracy or error"):
        parse_scoring("final", "perplexity")


@pytest.mark.parametrize("text", ["mean:6", "max:6"])
def test_a_score_over_more_epochs_than_there_are_is_refused(text: str) -> None:
    with pytest.raises(SearchError, match=r"the last 6 epoch\(s\), but a trial has 5"):
        parse_scoring(text).score(CURVE)


def test_an_empty_curve_has_no_score() -> None:
    with pytest.raises(SearchError, match="a trial has 0"):
        Scoring().score(())


def test_a_number_of_epochs_the_patent_does_not_name_is_only_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        parse_scoring("mean:5")
        assert not caplog.records
        parse_scoring("mean:3")
    assert "last 2, 5 or 10 epochs" in caplog.text
