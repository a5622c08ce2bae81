"""How TPE chooses the next candidate: Optuna's sampler over candidates in place of points.

A point that the sampler draws is hardly ever one of the networks that can be compared. So the
nearest candidate that was not tried takes its place as the trial's parameters: what the sampler
learns from is what was trained.
"""

import random
import threading
from collections.abc import Mapping
from typing import Any

from edgescale.search.definition import Search
from edgescale.search.space import numbers

COEFFICIENTS = ("alpha", "beta", "gamma")
Point = tuple[float, float, float]


def range_of(search: Search) -> tuple[float, float]:
    """Returns the smallest and the largest coefficient of a search's equation."""
    low = 1.0 if search.recipe.rules.coefficients.equation == "power" else 0.0
    return low, low + 1


def tpe_sampler(search: Search) -> Any:
    """Returns Optuna's TPE sampler, which tries each candidate once, on the first seed.

    A third of the candidates is drawn at random before it starts, since Optuna's ten would be all
    of most searches.
    """
    from optuna.distributions import FloatDistribution
    from optuna.samplers import TPESampler

    points = {c.identity: numbers(c.coefficients) for c in search.chosen}
    startup = max(2, (search.options.candidates or len(points)) // 3)
    axes = {name: FloatDistribution(*range_of(search)) for name in COEFFICIENTS}
    guard = threading.Lock()
    given: set[Point] = set()  # of this process, where the storage does not name them yet

    class CandidateSampler(TPESampler):  # type: ignore[misc, unused-ignore]
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return dict(axes)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            if "identity" in trial.user_attrs:
                return {}  # a queued candidate
            drawn = super().sample_relative(study, trial, search_space)
            with guard:
                tried = given | {points.get(_candidate(entry)) for entry in study.get_trials(False)}
                untried = [point for point in points.values() if point not in tried]
                if drawn:
                    chosen = min(untried, key=lambda point: _distance(point, drawn))
                else:
                    chosen = random.Random(f"{search.sampler_seed} {trial.number}").choice(untried)
                given.add(chosen)
            return dict(zip(COEFFICIENTS, chosen, strict=True))

    return CandidateSampler(n_startup_trials=startup, multivariate=True, constant_liar=True,
                            seed=search.sampler_seed)  # fmt: skip


def _candidate(entry: Any) -> str:
    """Returns the candidate of a stored trial; empty where it has none yet."""
    return str(entry.user_attrs.get("identity", "")).rpartition("-s")[0]


def _distance(point: Point, drawn: Mapping[str, float]) -> float:
    return sum((own - drawn[name]) ** 2 for name, own in zip(COEFFICIENTS, point, strict=True))
