"""Made-up trials of a small real space, for tests of what reads them."""

from collections.abc import Mapping, Sequence

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import parse_block
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import ScalingRules, scale
from edgescale.search.score import Scoring
from edgescale.search.space import Candidate, Space, make_space
from edgescale.search.trial import TrialRecord, candidate_identity

CLASSES = 10
RULES = ScalingRules(resolution_step=1, trim=False)
BASELINE = Baseline(
    name="small",
    stem_filters=8,
    blocks=tuple(
        parse_block(text)
        for text in ("r1_k3_s11_e2_i8_o8_c1", "r2_k3_s22_e4_i8_o16", "r2_k5_s22_e4_i16_o24")
    ),
    head_filters=48,
    depth_divisor=4,
    resolution=32,
    activation="relu",
)


def small_space(step: str = "0.1", tolerance: str = "0.1") -> Space:
    """Returns the candidates of the small network at phi 1."""
    return make_space(BASELINE, classes=CLASSES, rules=RULES, phi=1, step=step, tolerance=tolerance)


def trial_of(
    candidate: Candidate, seed: int, curve: Sequence[float], **other: object
) -> TrialRecord:
    """Returns a finished trial, scored by its last epoch; ``other`` replaces fields."""
    variant = candidate.variant
    values: dict[str, object] = {
        "candidate": candidate.identity,
        "number": seed,
        "state": "finished",
        "said": "",
        "coefficients": candidate.coefficients,
        "phi": candidate.phi,
        "depth_coefficient": variant.depth_coefficient,
        "width_coefficient": variant.width_coefficient,
        "resolution": variant.resolution,
        "architecture_digest": variant.architecture.digest,
        "macs": variant.cost.macs,
        "parameters": variant.cost.parameters,
        "classes": CLASSES,
        "rounding": RULES.rounding,
        "baseline": BASELINE,
        "data_digest": "d1" * 32,
        "training": {"epochs": len(curve), "seed": seed, "learning_rate": 4e-3},
        "scoring": "accuracy final",
        "seed": seed,
        "epochs": len(curve),
        "validation_accuracy": tuple(curve),
        "losses": tuple(1 - value for value in curve),
        "score": Scoring().score(curve),
        "wall_s": 30.0,
        "cpu_s": 28.0,
        "engine": "local",
        "host": "here",
        "versions": {"edgescale": "0.3", "python": "3.11"},
        "started": "2026-01-02T03:04:05+00:00",
        "retries": 0,
    }
    return TrialRecord(**{**values, **other})  # type: ignore[arg-type]


def ended_early(candidate: Candidate, seed: int, state: str, said: str) -> TrialRecord:
    """Returns a pruned or failed trial."""
    return trial_of(candidate, seed, [0.3], epochs=5, state=state, said=said, score=None)


def trials_of(space: Space, scores: Mapping[int, Sequence[float]]) -> tuple[TrialRecord, ...]:
    """Returns finished trials: index of the candidate in the space -> its score for each seed."""
    return tuple(
        trial_of(space.candidates[index], seed, [0.2, score])
        for index, own in scores.items()
        for seed, score in enumerate(own)
    )


def baseline_trials(*scores: float) -> tuple[TrialRecord, ...]:
    """Returns finished trials of the baseline itself, one for each seed."""
    variant = scale(BASELINE, 0, classes=CLASSES, rules=RULES)
    identity = candidate_identity(variant.architecture)
    candidate = Candidate(identity, Coefficients(), (), variant, 0, incumbent=False)
    return tuple(trial_of(candidate, seed, [0.2, score]) for seed, score in enumerate(scores))
