"""One trial: a candidate trained with one seed, as a record from which it can be rebuilt.

The record names everything that decides the network and its score: someone who has nothing else
can build the network again and check the score, and with the images of that digest train it again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.network import Architecture, build_architecture
from edgescale.builder.recipe import baseline_record
from edgescale.errors import ArchitectureError, SearchError
from edgescale.family.fields import Fields
from edgescale.scaling.coefficients import EQUATIONS, Coefficients
from edgescale.search.score import read_scoring

SCHEMA_VERSION = 1
STATES = ("finished", "pruned", "failed")
_IDENTITY_DIGITS = 12
_SCORE_NOISE = 1e-9


@dataclass(frozen=True)
class TrialRecord:
    """What one training was and what came out.

    Attributes:
        candidate: first 12 hex digits of the architecture's digest.
        number: the trial's number in the study.
        state: ``finished``, ``pruned`` (stopped early, has no score) or ``failed``.
        said: why it was pruned or failed; empty for a finished one.
        coefficients: alpha, beta, gamma and the equation they belong to.
        phi: the compound coefficient.
        depth_coefficient: multiplier of repeats before rounding.
        width_coefficient: multiplier of channels before rounding.
        resolution: side of the input in pixels, after it was moved to the common cost.
        architecture_digest: sha256 of the network.
        macs: realised multiply-accumulates of one image.
        parameters: trainable ones.
        classes: number of outputs.
        rounding: ``nearest`` or ``reference``.
        baseline: the network that was scaled.
        data_digest: sha256 of the images.
        training: the settings it was trained with, under the names of ``TrainingRecipe``.
        scoring: metric and kind of the score, e.g. ``accuracy mean:5``.
        seed: of weights, order and augmentation; the same seed pairs trials of all candidates.
        epochs: asked for; a finished trial has as many values in its curves.
        validation_accuracy: after each epoch, 0 to 1.
        losses: mean training loss of each epoch.
        score: by the study's scoring; None unless finished.
        wall_s: seconds from start to end.
        cpu_s: CPU seconds of the process that trained.
        engine: ``local`` or ``ray``.
        host: machine that trained.
        versions: of Python and the packages that matter.
        started: RFC 3339.
        retries: how often it was begun again after its process had died.
    """

    candidate: str
    number: int
    state: str
    said: str
    coefficients: Coefficients
    phi: float
    depth_coefficient: float
    width_coefficient: float
    resolution: int
    architecture_digest: str
    macs: int
    parameters: int
    classes: int
    rounding: str
    baseline: Baseline
    data_digest: str
    training: Mapping[str, Any]
    scoring: str
    seed: int
    epochs: int
    validation_accuracy: tuple[float, ...]
    losses: tuple[float, ...]
    score: float | None
    wall_s: float
    cpu_s: float
    engine: str
    host: str
    versions: Mapping[str, str]
    started: str
    retries: int = 0

    def __post_init__(self) -> None:
        """Refuses a record that contradicts itself.

        Raises:
            SearchError: a score without an end, an end without a score, a score that does not
                follow from the curve, or a foreign identity.
        """
        finished = self.state == "finished"
        if finished != (self.score is not None):
            raise SearchError(
                f"trial {self.identity}: it is {self.state}, so it must"
                f" {'have a' if finished else 'not have a'} score"
            )
        if finished and len(self.validation_accuracy) != self.epochs:
            raise SearchError(
                f"trial {self.identity}: it is finished, but {len(self.validation_accuracy)} of"
                f" {self.epochs} epochs have a validation accuracy"
            )
        self._check_score()
        if not self.architecture_digest.startswith(self.candidate):
            raise SearchError(
                f"trial {self.identity}: its architecture digest begins with"
                f" {self.architecture_digest[:_IDENTITY_DIGITS]}"
            )

    def _check_score(self) -> None:
        scoring = read_scoring(self.scoring)
        if self.score is None:
            return
        follows = scoring.score(self.validation_accuracy)
        if not abs(follows - self.score) <= _SCORE_NOISE:
            raise SearchError(
                f"trial {self.identity}: its score is {self.score:g}, but {self.scoring} of its"
                f" validation accuracies is {follows:g}; the record was changed"
            )

    @property
    def identity(self) -> str:
        """The one name of this trial, the same in every run of the study."""
        return trial_identity(self.candidate, self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as plain JSON values; ``trial_from_dict`` reverses it."""
        record = asdict(self)
        record["baseline"] = baseline_record(self.baseline)
        for key in ("validation_accuracy", "losses"):
            record[key] = list(record[key])
        for key in ("versions", "training"):
            record[key] = dict(record[key])
        return {"schema_version": SCHEMA_VERSION, "identity": self.identity, **record}


def candidate_identity(architecture: Architecture) -> str:
    """Returns the short name of a candidate: the beginning of its architecture's digest."""
    return architecture.digest[:_IDENTITY_DIGITS]


def trial_identity(candidate: str, seed: int) -> str:
    """Returns the name of a candidate's trial with one seed."""
    return f"{candidate}-s{seed}"


def rebuild(record: TrialRecord) -> Architecture:
    """Builds the network of a trial again from its record.

    Raises:
        SearchError: it is not the network the record names.
    """
    try:
        network = build_architecture(
            record.baseline,
            width=record.width_coefficient,
            depth=record.depth_coefficient,
            resolution=record.resolution,
            classes=record.classes,
            rounding=record.rounding,
        )
    except ArchitectureError as problem:
        raise SearchError(f"trial {record.identity}: {problem}") from problem
    if network.digest != record.architecture_digest:
        raise SearchError(
            f"trial {record.identity}: its numbers make the network {network.digest[:12]}, not"
            f" {record.architecture_digest[:12]}; the record was changed, or an edgescale with"
            " other rounding made it"
        )
    return network


def trial_from_dict(record: object, where: str = "trial") -> TrialRecord:
    """Reads what ``TrialRecord.to_dict`` wrote; every key is needed and no other is allowed.

    Raises:
        SearchError: it is not such a record.
    """
    fields = Fields(record, where, SearchError)
    version = fields.integer("schema_version", low=1)
    if version > SCHEMA_VERSION:
        raise SearchError(f"{where}: made by a newer edgescale (schema_version {version})")
    identity = fields.text("identity", longest=100)
    try:
        trial = _trial(fields)
    except ArchitectureError as problem:
        raise SearchError(f"{where}: {problem}") from problem
    fields.close()
    if identity != trial.identity:
        raise SearchError(f"{where}: identity is '{identity}', but it must be '{trial.identity}'")
    return trial


def _trial(fields: Fields) -> TrialRecord:
    return TrialRecord(
        candidate=fields.text("candidate", longest=_IDENTITY_DIGITS),
        number=fields.integer("number"),
        state=fields.text("state", choices=STATES),
        said=fields.text("said"),
        coefficients=_coefficients(fields.table("coefficients")),
        phi=fields.number("phi"),
        depth_coefficient=fields.number("depth_coefficient", low=0),
        width_coefficient=fields.number("width_coefficient", low=0),
        resolution=fields.integer("resolution", low=1),
        architecture_digest=fields.text("architecture_digest", longest=64),
        macs=fields.integer("macs"),
        parameters=fields.integer("parameters"),
        classes=fields.integer("classes", low=1),
        rounding=fields.text("rounding", longest=20),
        baseline=_baseline(fields.table("baseline")),
        data_digest=fields.text("data_digest", longest=64),
        training=_training(fields.take("training"), fields.where),
        scoring=fields.text("scoring", longest=100),
        seed=fields.integer("seed"),
        epochs=fields.integer("epochs", low=1),
        validation_accuracy=fields.numbers("validation_accuracy", most=100_000),
        losses=fields.numbers("losses", most=100_000),
        score=_score(fields),
        wall_s=fields.number("wall_s", low=0),
        cpu_s=fields.number("cpu_s", low=0),
        engine=fields.text("engine", longest=100),
        host=fields.text("host", longest=300),
        versions=_versions(fields.table("versions")),
        started=fields.text("started", longest=100),
        retries=fields.integer("retries"),
    )


def _score(fields: Fields) -> float | None:
    if not fields.has("score"):
        fields.take("score")  # required, even where it is null
        return None
    score: float = fields.number("score", low=0, high=1)
    return score


def _coefficients(fields: Fields) -> Coefficients:
    coefficients = Coefficients(
        fields.number("alpha"),
        fields.number("beta"),
        fields.number("gamma"),
        fields.text("equation", choices=EQUATIONS),
    )
    fields.close()
    return coefficients


def _baseline(fields: Fields) -> Baseline:
    baseline = Baseline(
        name=fields.text("name", longest=100),
        stem_filters=fields.integer("stem_filters"),
        blocks=tuple(parse_block(text) for text in fields.texts("blocks", most=100)),
        head_filters=fields.integer("head_filters"),
        depth_divisor=fields.integer("depth_divisor"),
        resolution=fields.integer("resolution"),
        activation=fields.text("activation", longest=20),
        fix_stem_head=fields.boolean("fix_stem_head"),
    )
    fields.close()
    return baseline


def _training(table: Any, where: str) -> dict[str, Any]:
    Fields(table, f"{where}.training", SearchError)  # settings may grow; they are told, not used
    return dict(table)


def _versions(fields: Fields) -> dict[str, str]:
    versions = {name: fields.text(name, longest=100) for name in fields.names()}
    return dict(sorted(versions.items()))
