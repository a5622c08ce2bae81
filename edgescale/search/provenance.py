"""What goes into ``coefficients.json``: the chosen coefficients and all that says where from.

The file outlives its study: a family built with it years later still names the baseline, the data,
the verdict and the weights behind its three numbers.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from edgescale import __version__
from edgescale.builder.coefficients_file import StoredCoefficients
from edgescale.family.store import sha256_of
from edgescale.scaling.variant import SearchedNetwork
from edgescale.search.summary import seeds_of, summary_lines
from edgescale.search.trial import TrialRecord, trial_identity
from edgescale.search.verdict import Verdict
from edgescale.search.view import StudyView

WEIGHTS = "trials/{trial}/weights.npz"  # in the study's folder


def stored_coefficients(view: StudyView, verdict: Verdict, folder: Path) -> StoredCoefficients:
    """Returns the chosen coefficients with their provenance; ``folder`` is the study's."""
    chosen = verdict.standing(verdict.chosen)
    definition = {key: value for key, value in view.definition.items() if key != "candidates"}
    provenance = {
        "made_by": f"edgescale {__version__}, search coefficients",
        "definition": definition,
        **_baseline(view),
        "kept_the_published": verdict.kept,
        "verdict": summary_lines(verdict),
        "candidate": chosen.candidate,
        "scores": dict(zip(map(str, verdict.seeds), chosen.scores, strict=True)),
        "mean": chosen.mean,
        "sd": chosen.sd,
        "weights": stored_weights(chosen_trial(view, verdict), folder),
        "versions": versions_of([*view.records, *view.baseline_scores]),
    }
    return StoredCoefficients(chosen.coefficients, provenance, _searched(view, chosen.candidate))


def chosen_trial(view: StudyView, verdict: Verdict) -> str:
    """Returns the trial of the chosen candidate to go on from: its best, of equals the first."""
    chosen = verdict.standing(verdict.chosen)
    scored = list(zip(verdict.seeds, chosen.scores, strict=True))
    seed, score = scored[0]
    for other, value in scored[1:]:
        if view.scoring.better(value, score):
            seed, score = other, value
    return trial_identity(chosen.candidate, seed)


def versions_of(trials: Iterable[TrialRecord]) -> dict[str, str]:
    """Returns the versions that trained, several of one package separated by commas."""
    found: dict[str, set[str]] = {}
    for trial in trials:
        for name, version in trial.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def _baseline(view: StudyView) -> dict[str, Any]:
    published = view.definition.get("baseline_trained")
    scores = [trial.score for trial in view.baseline_scores if trial.score is not None]
    if scores:
        return {
            "baseline_trained": True,
            "baseline_score": {
                "score": fmean(scores),
                "metric": view.scoring.metric,
                "task": view.definition.get("task"),
                "source": f"trained in this search, {seeds_of(len(scores))}",
            },
        }
    return {"baseline_trained": bool(published), "baseline_score": published}


def _searched(view: StudyView, candidate: str) -> SearchedNetwork:
    """Returns the candidate's own network, so that a build at its phi can take its weights."""
    known = next(one for one in view.space.candidates if one.identity == candidate)
    network = known.variant.architecture
    return SearchedNetwork(known.phi, network.resolution, network.digest)


def stored_weights(trial: str, folder: Path) -> dict[str, str] | None:
    """Returns where a trial's weights lie in the study's folder; None where they are not there."""
    file = WEIGHTS.format(trial=trial)
    path = folder / file
    return {"trial": trial, "file": file, "sha256": sha256_of(path)} if path.is_file() else None
