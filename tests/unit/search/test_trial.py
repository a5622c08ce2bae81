"""Trial records: exact round trip, strict reading, and the network rebuilt from the record."""

import json
from dataclasses import replace
from typing import Any

import pytest

from edgescale.errors import SearchError
from edgescale.search.trial import TrialRecord, rebuild, trial_from_dict
from tests.search_records import ended_early, small_space, trial_of

SPACE = small_space()
TRIAL = trial_of(SPACE.candidates[1], 2, [0.1, 0.7, 0.65])


@pytest.mark.parametrize(
    "trial",
    [
        TRIAL,
        replace(TRIAL, retries=1, engine="ray", versions={}),
        replace(TRIAL, scoring="error mean:2", score=0.325),
        ended_early(SPACE.candidates[0], 0, "pruned", "worse than half after 3 epochs"),
        ended_early(SPACE.candidates[0], 1, "failed", "the loss is nan"),
    ],
)
def test_a_record_survives_json(trial: TrialRecord) -> None:
    assert trial_from_dict(json.loads(json.dumps(trial.to_dict()))) == trial


@pytest.mark.parametrize("candidate", SPACE.candidates)
def test_every_candidate_is_rebuilt_from_its_trial(candidate: Any) -> None:
    record = json.loads(json.dumps(trial_of(candidate, 0, [0.5]).to_dict()))
    assert rebuild(trial_from_dict(record)) == candidate.variant.architecture


@pytest.mark.parametrize(
    "changed",
    [{"resolution": 41}, {"width_coefficient": 1.9}, {"classes": 11}],
)
def test_a_record_of_another_network_is_not_rebuilt(changed: dict[str, Any]) -> None:
    with pytest.raises(SearchError, match=f"{TRIAL.identity}: its numbers make the network"):
        rebuild(replace(TRIAL, **changed))


def test_a_record_that_makes_no_network_says_so() -> None:
    with pytest.raises(SearchError, match="vanishes"):
        rebuild(replace(TRIAL, depth_coefficient=0.1))


def test_the_baseline_s_published_score_does_not_travel() -> None:
    assert "trained" not in TRIAL.to_dict()["baseline"]


@pytest.mark.parametrize("key", sorted(TRIAL.to_dict()))
def test_every_key_is_needed(key: str) -> None:
    record = TRIAL.to_dict()
    del record[key]
    with pytest.raises(SearchError, match=f"'{key}' is missing"):
        trial_from_dict(record)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"note": 1}, "unknown key 'note'"),
        ({"schema_version": 2}, "made by a newer edgescale"),
        ({"identity": "other-s1"}, f"must be '{TRIAL.identity}'"),
        ({"state": "done"}, "'done' is not known"),
        ({"state": "pruned"}, "it is pruned, so it must not have a score"),
        ({"score": None}, "it is finished, so it must have a score"),
        ({"score": 1.5}, "a number from 0 to 1"),
        ({"score": 0.7}, "its score is 0.7, but accuracy final of its .* is 0.65"),
        ({"scoring": "accuracy mean:2"}, "but accuracy mean:2 of its .* is 0.675"),
        ({"scoring": "error final"}, "but error final of its .* is 0.35"),
        ({"scoring": "final"}, "metric 'final' is not known"),
        ({"training": [3]}, "training: expected a table"),
        ({"score": float("nan")}, "a number from 0 to 1"),
        ({"epochs": 4}, "3 of 4 epochs have a validation accuracy"),
        ({"candidate": "0" * 12}, "its architecture digest begins with"),
        ({"validation_accuracy": "high"}, "a list"),
        ({"versions": {"python": 3}}, "a text"),
        ({"coefficients": {"alpha": 0.9, "beta": 1, "gamma": 1, "equation": "power"}}, "alpha is"),
        ({"seed": True}, "a whole number"),
    ],
)
def test_a_record_that_is_none_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        trial_from_dict({**TRIAL.to_dict(), **changed})


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(SearchError, match=r"trials\.jsonl line 3: expected a table"):
        trial_from_dict([1], "trials.jsonl line 3")
