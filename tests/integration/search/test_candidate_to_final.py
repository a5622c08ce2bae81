"""From a searched candidate to the final network: built again, and going on where it ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.builder.coefficients_file import write_coefficients
from edgescale.builder.network import set_weights, training_model
from edgescale.builder.plan import make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.score import top1
from edgescale.builder.stages import STAGES, Work
from edgescale.builder.weights import load_weights
from edgescale.scaling.variant import scale
from edgescale.search.definition import Search, SearchOptions, plan_search
from edgescale.search.provenance import WEIGHTS, stored_coefficients
from edgescale.search.score import Scoring
from edgescale.search.space import Candidate
from edgescale.search.table import judge
from edgescale.search.training import train_trial
from edgescale.search.trial import TrialRecord, trial_identity
from edgescale.search.view import StudyView
from tests.search_records import trial_of
from tests.tiny_search import write_recipe

pytestmark = pytest.mark.tensorflow


def search_of(folder: Path) -> Search:
    options = SearchOptions(write_recipe(folder), phi=2, epochs=6, baseline="untrained")
    return plan_search(options)


def moved(search: Search) -> Candidate:
    """Returns the challenger whose resolution is the furthest from what the law alone gives."""

    def away(candidate: Candidate) -> int:
        rules = replace(search.recipe.rules, coefficients=candidate.coefficients)
        law = scale(search.recipe.baseline, candidate.phi, classes=search.classes, rules=rules)
        return abs(candidate.variant.resolution - law.resolution)

    furthest = max(search.space.candidates[1:], key=away)
    assert away(furthest) > 0
    return furthest


def adopted(search: Search, winner: Candidate, study: Path) -> None:
    """Writes the coefficients of a study in which this challenger won."""
    scores = {search.space.incumbent: (0.5, 0.51, 0.49), winner: (0.9, 0.92, 0.9)}
    records: list[TrialRecord] = [
        trial_of(candidate, seed, [score])
        for candidate, own in scores.items()
        for seed, score in enumerate(own)
    ]
    view = StudyView(search.definition, search.space, tuple(records), Scoring())
    verdict = judge(view)
    assert verdict.chosen == winner.identity
    write_coefficients(study / "coefficients.json", stored_coefficients(view, verdict, study))


def test_the_final_build_starts_as_the_searched_challenger_ended(tmp_path: Path) -> None:
    search = search_of(tmp_path)
    winner = moved(search)
    trial = trial_identity(winner.identity, 1)
    weights = Path(WEIGHTS.format(trial=trial))
    (tmp_path / weights).parent.mkdir(parents=True)
    outcome = train_trial(
        search.job(winner, 1, tmp_path), (tmp_path / weights).parent, lambda epoch: True
    )
    assert outcome is not None
    assert 0.4 < outcome.curve[-1] < 1, "neither chance nor certainty, which a fault gives too"
    adopted(search, winner, tmp_path)

    table = {
        **search.table,
        "scaling": {"resolution_step": 1, "coefficients": "coefficients.json"},
        "variants": {"phis": [winner.phi]},
        "weights": {"from": "file", "file": str(weights)},
    }
    plan = make_plan(recipe_from_table(table, search.options.recipe))
    final = Work(tmp_path / "family", plan, plan.variants[0], lambda done, loss: None)
    assert final.architecture.digest == winner.variant.architecture.digest
    folder = final.result("weights")
    folder.mkdir(parents=True)
    assert STAGES["weights"](final, folder).startswith("taken from ")
    model = training_model(final.architecture, dropout=0.1, drop_connect=0, momentum=0.9, seed=0)
    set_weights(model, final.architecture, load_weights(folder / "weights.npz"))
    start = top1(model, search.data.validation(), final.planned.preparation)
    assert start == pytest.approx(outcome.curve[-1], abs=1e-6)
