"""What the scores prove: the best candidate, those tied with it, and whether the published stay.

Short trainings differ by chance more than neighbouring coefficients differ in truth, so the best
mean is not yet a better candidate. Trials of one seed are paired (same order of data, same
validation images). The published coefficients are replaced only by a challenger whose interval, at
95 % for all challengers together (Bonferroni), lies wholly on the better side. Challengers are all
that were tried: one that was pruned took its chance to look good too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist, stdev
from typing import Any

from edgescale.errors import SearchError
from edgescale.scaling.coefficients import Coefficients
from edgescale.search.paired import CONFIDENCE, Difference, paired_difference, seeds_needed
from edgescale.search.score import Scoring
from edgescale.search.trial import TrialRecord

Scores = Mapping[int, float]  # seed -> score


@dataclass(frozen=True)
class Standing:
    """One compared candidate.

    ``scores`` are in the order of the verdict's seeds; ``sd`` is None for one seed. As many as
    ``seeds_needed`` would separate it from the best; None where nothing can be said. ``to_best`` is
    at 95 % for this pair by itself, ``to_incumbent`` at 95 % for all challengers together.
    """

    candidate: str
    coefficients: Coefficients
    macs: int
    scores: tuple[float, ...]
    mean: float
    sd: float | None
    to_best: Difference | None
    to_incumbent: Difference | None
    to_baseline: Difference | None
    seeds_needed: int | None


@dataclass(frozen=True)
class Apart:
    """A candidate that is not compared: it lacks a finished trial on a compared seed."""

    candidate: str
    coefficients: Coefficients
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of a study; candidates go by their identities, ``standings`` best first.

    ``seeds`` are the compared ones: those the incumbent finished. ``challengers`` counts the other
    candidates that were tried, compared or not. ``tied`` holds the best and all that nothing
    separates from it: their 95 % interval includes 0, or there is none. ``image_interval`` is that
    of the best score on ``validation_images`` images, at 95 %; ``learned`` says whether it excludes
    guessing among the classes.
    """

    scoring: Scoring
    seeds: tuple[int, ...]
    incumbent: str
    best: str
    chosen: str
    challengers: int
    tied: tuple[str, ...]
    standings: tuple[Standing, ...]
    apart: tuple[Apart, ...]
    validation_images: int | None
    image_interval: tuple[float, float] | None
    learned: bool

    @property
    def kept(self) -> bool:
        """Says whether the published coefficients stay."""
        return self.chosen == self.incumbent

    def standing(self, candidate: str) -> Standing:
        """Returns one compared candidate."""
        return next(one for one in self.standings if one.candidate == candidate)

    def to_dict(self) -> dict[str, Any]:
        """Returns the verdict as plain JSON values."""
        return {**asdict(self), "kept": self.kept}


def verdict(
    records: Iterable[TrialRecord],
    *,
    scoring: Scoring,
    incumbent: str,
    baseline: Iterable[TrialRecord] = (),
    validation_images: int | None = None,
) -> Verdict:
    """Judges a study; the order of the records does not matter.

    Args:
        records: trials that ended.
        scoring: how they were scored.
        incumbent: identity of the published coefficients' candidate.
        baseline: trials of the unscaled baseline, where there are any.
        validation_images: how many images each accuracy was measured on.

    Raises:
        SearchError: no finished trial of the incumbent, a trial that stands there twice, or scipy
            is not installed.
    """
    trials = _by_candidate(records)
    scores = {candidate: _scores(own) for candidate, own in trials.items()}
    seeds = tuple(sorted(scores.get(incumbent, {})))
    if not seeds:
        raise SearchError(
            "no trial of the published coefficients has finished, so there is nothing to compare"
            " with; run the search again, it goes on where it stopped"
        )
    compared = [one for one in trials if all(seed in scores[one] for seed in seeds)]
    judge = _Judge(scoring, scores, seeds)
    ranked = sorted(compared, key=lambda one: judge.rank(trials[one][0]))
    unscaled = _scores([trial for own in _by_candidate(baseline).values() for trial in own])
    standings = tuple(
        judge.standing(trials[one][0], best=ranked[0], incumbent=incumbent, unscaled=unscaled,
                       challengers=len(trials) - 1)
        for one in ranked
    )  # fmt: skip
    beaten = [one.candidate for one in standings if one.to_incumbent and one.to_incumbent.better]
    interval = wilson(standings[0].mean, validation_images) if validation_images else None
    return Verdict(
        scoring=scoring,
        seeds=seeds,
        incumbent=incumbent,
        best=ranked[0],
        chosen=beaten[0] if beaten else incumbent,
        challengers=len(trials) - 1,
        tied=tuple(
            one.candidate for one in standings if one.to_best is None or not one.to_best.worse
        ),
        standings=standings,
        apart=_apart(trials, scores, seeds),
        validation_images=validation_images,
        image_interval=interval,
        learned=interval is None or _learned(interval, scoring, trials[ranked[0]][0].classes),
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share that was seen in n trials (Wilson 1927).

    It is true to its level near 0 and 1 too, where a binomial standard deviation is not.
    """
    z2 = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _learned(interval: tuple[float, float], scoring: Scoring, classes: int) -> bool:
    """Says whether even the worse end of an interval is better than guessing."""
    low, high = interval
    worst = low if scoring.direction == "maximize" else high
    return scoring.better(worst, scoring.value(1 / classes))


@dataclass(frozen=True)
class _Judge:
    """Compares candidates on one set of seeds."""

    scoring: Scoring
    scores: Mapping[str, Scores]
    seeds: tuple[int, ...]

    def mean(self, candidate: str) -> float:
        """Returns the mean score over the compared seeds."""
        return math.fsum(self.scores[candidate][seed] for seed in self.seeds) / len(self.seeds)

    def rank(self, trial: TrialRecord) -> tuple[float, int, float, float, float]:
        """Sorts the better mean first; of equals the one with fewer MACs, then by coefficients."""
        mean, point = self.mean(trial.candidate), trial.coefficients
        order = -mean if self.scoring.direction == "maximize" else mean
        return (order, trial.macs, point.alpha, point.beta, point.gamma)

    def difference(self, candidate: str, other: Scores, confidence: float) -> Difference | None:
        """Compares a candidate with other scores on the compared seeds both have."""
        own = self.scores[candidate]
        sign = 1 if self.scoring.direction == "maximize" else -1
        gains = [sign * (own[seed] - other[seed]) for seed in self.seeds if seed in other]
        return paired_difference(gains, confidence) if gains else None

    def standing(
        self, trial: TrialRecord, *, best: str, incumbent: str, unscaled: Scores, challengers: int
    ) -> Standing:
        """Describes one candidate beside the best, the incumbent and the baseline."""
        name = trial.candidate
        own = tuple(self.scores[name][seed] for seed in self.seeds)
        # Bonferroni: each of the challengers gets its share of the 5 %.
        together = 1 - (1 - CONFIDENCE) / max(1, challengers)
        to_best = None if name == best else self.difference(name, self.scores[best], CONFIDENCE)
        return Standing(
            candidate=name,
            coefficients=trial.coefficients,
            macs=trial.macs,
            scores=own,
            mean=self.mean(name),
            sd=stdev(own) if len(own) > 1 else None,
            to_best=to_best,
            to_incumbent=None
            if name == incumbent
            else self.difference(name, self.scores[incumbent], together),
            to_baseline=self.difference(name, unscaled, CONFIDENCE),
            seeds_needed=None
            if to_best is None or to_best.sd is None
            else seeds_needed(to_best.sd, to_best.gain),
        )


def _by_candidate(records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    found: dict[str, list[TrialRecord]] = {}
    for trial in sorted(records, key=lambda one: (one.candidate, one.seed, one.number)):
        found.setdefault(trial.candidate, []).append(trial)
    return found


def _scores(trials: Iterable[TrialRecord]) -> dict[int, float]:
    scores: dict[int, float] = {}
    for trial in trials:
        if trial.score is None:
            continue  # pruned and failed trials have no score to compare
        if trial.seed in scores:
            raise SearchError(
                f"trial {trial.identity} stands there twice; a study counts each trial once, so"
                " its records were mixed up"
            )
        scores[trial.seed] = trial.score
    return scores


def _apart(
    trials: Mapping[str, list[TrialRecord]],
    scores: Mapping[str, Scores],
    seeds: Sequence[int],
) -> tuple[Apart, ...]:
    apart = []
    for candidate, own in trials.items():
        missing = [seed for seed in seeds if seed not in scores[candidate]]
        if missing:
            states = {trial.seed: trial.state for trial in own}
            said = ", ".join(f"seed {seed} {states.get(seed, 'did not run')}" for seed in missing)
            apart.append(Apart(candidate, own[0].coefficients, said))
    return tuple(sorted(apart, key=lambda one: tuple(asdict(one.coefficients).values())))
