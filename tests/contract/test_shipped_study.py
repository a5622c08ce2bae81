"""The study whose report is shipped: its records stand for what the report says."""

import json
from pathlib import Path

from edgescale.builder.coefficients_file import read_coefficients
from edgescale.search.trial import rebuild, trial_from_dict

STUDY = Path(__file__).parents[2] / "models" / "sign-digits-search"


def test_every_record_rebuilds_its_network_and_the_report_tells_its_mean() -> None:
    lines = (STUDY / "trials.jsonl").read_text("utf-8").splitlines()
    records = [trial_from_dict(json.loads(line), STUDY.name) for line in lines]
    assert len({record.identity for record in records}) == len(records) >= 6 * 3
    assert {rebuild(record).digest for record in records} == {
        record.architecture_digest for record in records
    }
    report = (STUDY / "report.md").read_text("utf-8")
    for candidate in {record.candidate for record in records if record.phi != 0}:
        scores = [record.score for record in records if record.candidate == candidate]
        mean = sum(score for score in scores if score is not None) / len(scores)
        assert f"| {100 * mean:.2f} ± " in report


def test_its_coefficients_can_be_used() -> None:
    stored = read_coefficients(STUDY / "coefficients.json")
    chosen = stored.coefficients
    assert (chosen.alpha, chosen.beta, chosen.gamma) == (1.2, 1.1, 1.15)
    assert stored.provenance["definition"]["recipe"] == "sign-digits"
