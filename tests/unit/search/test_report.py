"""The report: everything that was asked and found, equal for equal records."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder.coefficients_file import read_coefficients
from edgescale.builder.recipe import baseline_record
from edgescale.errors import SearchError
from edgescale.family.store import sha256_of
from edgescale.scaling.variant import SearchedNetwork
from edgescale.search.report import write_report
from edgescale.search.score import Scoring
from edgescale.search.view import StudyView
from tests.search_records import BASELINE, baseline_trials, ended_early, small_space, trials_of

SPACE = small_space()
DEFINITION: dict[str, Any] = {
    "recipe": "signs",
    "baseline": baseline_record(BASELINE),
    "baseline_is": "untrained",
    "baseline_trained": None,
    "task": "signs (10 classes)",
    "data_digest": "d1" * 32,
    "train_images": 1200,
    "validation_images": 400,
    "strategy": "grid",
    "step": "0.1",
    "tolerance": "0.1",
    "phi": 1.0,
    "equation": "power",
    "rounding": "nearest",
    "resolution_step": 1,
    "seeds": [0, 1, 2],
    "epochs": 2,
    "prune": "halving",
    "candidates": ["left out of the provenance"],
}
CLEAR = {0: [0.80, 0.81, 0.79], 1: [0.90, 0.912, 0.888], 2: [0.70, 0.713, 0.691]}
VIEW = StudyView(
    DEFINITION,
    SPACE,
    (
        *trials_of(SPACE, CLEAR),
        ended_early(SPACE.candidates[4], 0, "pruned", "worse than half\nafter 1 epoch"),
    ),
    Scoring(),
)
WINNER = SPACE.candidates[1]


def report(view: StudyView, folder: Path) -> str:
    write_report(view, folder)
    return (folder / "report.md").read_text("utf-8")


def test_the_report_tells_what_was_asked_and_what_was_found(tmp_path: Path) -> None:
    page = report(VIEW, tmp_path)
    for told in (
        "# Search of alpha, beta and gamma: signs",
        "Adopted: 1/1.4/1",
        "| baseline | small, 32 px |",
        "none: the baseline was not trained (--untrained-baseline)",
        "signs (10 classes), data sha256 d1d1d1d1d1d1",
        "1,200 to train on, 400 to score on",
        "grid, step 0.1, tolerance 0.1",
        "1.0, Equation 3",
        "seeds 0, 1, 2, 2 epochs each, pruning: halving",
        "accuracy, final",
        "21 points, 15 distinct networks; 6 candidates at the common cost, 9 points left out",
        "4 candidates, 10 trials",
        "- 1.7/1/1.1, seed 0: pruned after 1 of 5 epochs (worse than half after 1 epoch)",
        ": its nearest cost is ",
        "% off 1,425,792; 5 % is allowed on a grid of 1 px\n",
        "4.7 CPU-minutes in 10 trials",
        "- versions: edgescale 0.3, python 3.11",
        "![Score against realised MACs](score_macs.png)",
        "![Scores over alpha and beta](surface.png)",
        "edgescale plan --coefficients coefficients.json",
        "*to the best*, each pair by itself",
        "A build at phi 1 of the same baseline and classes is the very candidate",
        f"({WINNER.identity}, {WINNER.variant.resolution} px)",
    ):
        assert told in page


def test_pictures_and_coefficients_lie_beside_it(tmp_path: Path) -> None:
    verdict = write_report(VIEW, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.md", "score_macs.png", "surface.png", "coefficients.json",
    }  # fmt: skip
    assert verdict.chosen == WINNER.identity


def test_equal_records_give_an_equal_report(tmp_path: Path) -> None:
    shuffled = list(VIEW.records)
    random.Random(2).shuffle(shuffled)
    first, second = tmp_path / "a", tmp_path / "b"
    write_report(VIEW, first)
    write_report(replace(VIEW, records=tuple(shuffled)), second)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_the_coefficients_are_read_back_with_where_they_come_from(tmp_path: Path) -> None:
    weights = tmp_path / "trials" / f"{WINNER.identity}-s1" / "weights.npz"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"arrays")
    page = report(VIEW, tmp_path)
    assert f'file = "trials/{WINNER.identity}-s1/weights.npz"' in page
    assert "The path begins in the folder of the search" in page
    stored = read_coefficients(tmp_path / "coefficients.json")
    assert stored.coefficients == WINNER.coefficients
    network = WINNER.variant.architecture
    assert stored.searched == SearchedNetwork(1, network.resolution, network.digest)
    told = stored.provenance
    assert told["definition"] == {k: v for k, v in DEFINITION.items() if k != "candidates"}
    assert (told["baseline_trained"], told["baseline_score"]) == (False, None)
    assert told["kept_the_published"] is False
    assert any("Adopted: 1/1.4/1" in line for line in told["verdict"])
    assert told["candidate"] == WINNER.identity
    assert told["scores"] == {"0": 0.9, "1": 0.912, "2": 0.888}
    assert told["versions"] == {"edgescale": "0.3", "python": "3.11"}
    assert told["weights"] == {
        "trial": f"{WINNER.identity}-s1",
        "file": f"trials/{WINNER.identity}-s1/weights.npz",
        "sha256": sha256_of(weights),
    }


def test_unproven_coefficients_are_not_stored(tmp_path: Path) -> None:
    tied = replace(VIEW, records=trials_of(SPACE, {0: [0.8, 0.9], 1: [0.86, 0.85]}))
    write_report(tied, tmp_path)
    stored = read_coefficients(tmp_path / "coefficients.json")
    assert stored.coefficients == SPACE.incumbent.coefficients
    assert stored.provenance["kept_the_published"] is True
    assert stored.provenance["weights"] is None


def test_with_the_error_as_metric_the_smallest_one_s_weights_are_named(tmp_path: Path) -> None:
    errors = {index: [1 - score for score in own] for index, own in CLEAR.items()}
    view = replace(VIEW, records=trials_of(SPACE, errors), scoring=Scoring("error"))
    assert f"its best trial, {WINNER.identity}-s1, are not" in " ".join(
        report(view, tmp_path).split()
    )


def test_weights_that_are_gone_are_not_named(tmp_path: Path) -> None:
    page = report(VIEW, tmp_path)
    assert f"The weights of its best trial, {WINNER.identity}-s1, are not in the folder" in page
    assert "[weights]" not in page


def test_raised_seeds_are_said_to_weaken_the_95_per_cent(tmp_path: Path) -> None:
    assert "no longer hold strictly" not in report(VIEW, tmp_path)
    raised = replace(VIEW, definition={**DEFINITION, "seeds_before": [2]})
    assert "had been seen (before: 2), so the 95 % no longer hold" in report(raised, tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"baseline_is": "published", "baseline_trained": {
                "score": 0.771, "metric": "accuracy", "task": "ImageNet", "source": "paper"}},
            "77.10 % accuracy on ImageNet (paper)",
        ),
        ({"baseline_is": "trained"}, "none: its own trials did not finish"),
    ],
)  # fmt: skip
def test_the_score_of_the_baseline_is_told(
    changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    view = replace(VIEW, definition={**DEFINITION, **changed})
    assert told in report(view, tmp_path)
    record = json.loads((tmp_path / "coefficients.json").read_text("utf-8"))["provenance"]
    assert record["baseline_trained"] is (changed["baseline_is"] == "published")


def test_a_baseline_trained_here_is_told_with_its_score(tmp_path: Path) -> None:
    baseline = baseline_trials(0.5, 0.6, 0.7)
    told = report(replace(VIEW, baseline_scores=baseline), tmp_path)
    macs = f"{baseline[0].macs:,}"
    assert f"60.00 % accuracy, trained in this search (3 seeds, {macs} MACs)" in told
    stored = read_coefficients(tmp_path / "coefficients.json").provenance
    assert stored["baseline_trained"] is True
    assert stored["baseline_score"]["score"] == pytest.approx(0.6)


def test_without_a_verdict_nothing_is_written(tmp_path: Path) -> None:
    view = replace(VIEW, records=trials_of(SPACE, {1: [0.9]}))
    with pytest.raises(SearchError, match="no trial of the published"):
        write_report(view, tmp_path)
    assert not list(tmp_path.iterdir())
