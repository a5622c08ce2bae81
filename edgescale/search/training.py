"""One trial trained: a candidate of the search at one seed, from plain JSON to its curve.

Every engine runs this same function, in a process of its own or on another machine, so that the
place where a trial ran cannot change its result.
"""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgescale.architecture.network import Architecture, build_architecture
from edgescale.builder.data import Data, LabelledImages, open_data
from edgescale.builder.plan import preparation_of
from edgescale.builder.recipe import Recipe
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.weights import fresh_weights, save_weights
from edgescale.errors import SearchError
from edgescale.family.store import read_json, write_json
from edgescale.scaling.coefficients import Coefficients

WEIGHTS_FILE = "weights.npz"
CHECKPOINT_FILE = "checkpoint.npz"
_SPENT_FILE = "spent.json"
_MOMENTUM = 0.9  # as a build from scratch: running statistics of a few thousand steps
_PACKAGES = ("edgescale", "keras", "numpy", "tensorflow")
_MEASURED_STEPS = 20


@dataclass(frozen=True)
class TrialJob:
    """What one trial needs, as plain values that travel as JSON.

    Attributes:
        identity: name of the trial, unique in its study: ``<candidate>-s<seed>``.
        recipe: the recipe's TOML table.
        recipe_path: the file it was read from; paths in it are relative to that.
        data_folder: folder of images in place of the recipe's own.
        coefficients: ``alpha``, ``beta``, ``gamma`` and ``equation``.
        phi: the compound coefficient.
        resolution: input side in pixels, after the cost was trimmed.
        architecture_digest: sha256 that the scaled network must have.
        data_digest: sha256 that the images must have.
        seed: of weights, data order and augmentation; equal for all candidates of one repeat.
        epochs: how long to train.
        folder: on the searching machine; the trial's checkpoint and weights lie there.
    """

    identity: str
    recipe: Mapping[str, Any]
    recipe_path: str
    data_folder: str | None
    coefficients: Mapping[str, Any]
    phi: float
    resolution: int
    architecture_digest: str
    data_digest: str
    seed: int
    epochs: int
    folder: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the job as JSON; ``TrialJob(**record)`` reads it."""
        return asdict(self)


@dataclass(frozen=True)
class Epoch:
    """A finished epoch: its number from 1, and the time of the whole trial up to its end."""

    number: int
    loss: float
    accuracy: float
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class TrialOutcome:
    """A trained trial; times are those of all its runs where it was stopped in between."""

    curve: tuple[float, ...]  # validation accuracy after each epoch, 0..1
    losses: tuple[float, ...]
    wall_s: float
    cpu_s: float
    versions: Mapping[str, str]
    host: str
    retries: int = 0  # how often its engine began it again after its worker had died

    def to_dict(self) -> dict[str, Any]:
        """Returns the outcome as JSON; ``outcome_from_dict`` reads it."""
        return asdict(self)


OnEpoch = Callable[[Epoch], bool]  # False: train no further


def outcome_from_dict(record: Mapping[str, Any]) -> TrialOutcome:
    """Reads what ``TrialOutcome.to_dict`` wrote."""
    return TrialOutcome(
        **{**record, "curve": tuple(record["curve"]), "losses": tuple(record["losses"])}
    )


def train_trial(job: TrialJob, folder: Path, on_epoch: OnEpoch) -> TrialOutcome | None:
    """Trains one trial, or goes on after the last epoch that its checkpoint holds.

    Args:
        job: what to train.
        folder: gets the checkpoint and at the end ``weights.npz``; on a worker of a cluster not
            the job's own.
        on_epoch: told every epoch from the first, also those of the checkpoint.

    Returns:
        What came out; None where ``on_epoch`` ended it.

    Raises:
        SearchError: the recipe or the images are not those of the study.
        BuildError: the training failed.
    """
    from edgescale.builder.train import train_watched

    clock = _Clock(folder)

    def watch(number: int, loss: float, accuracy: float) -> bool:
        return on_epoch(Epoch(number, loss, accuracy, *clock.spent()))

    recipe = _recipe(job)
    data = _open(job, recipe)
    training = _training(job, recipe, data)
    trained = train_watched(training, checkpoint=folder / CHECKPOINT_FILE, watch=watch)
    if trained is None:
        return None
    save_weights(folder / WEIGHTS_FILE, trained.weights)
    wall_s, cpu_s = clock.spent()
    return TrialOutcome(trained.validation_curve, trained.losses, wall_s, cpu_s,
                        versions(), platform.node())  # fmt: skip


def measured_seconds(job: TrialJob, folder: Path) -> tuple[float, float]:
    """Trains a few steps; returns the seconds of a start and of a whole epoch with validation.

    Raises:
        SearchError: the recipe or the images are not those of the study.
        BuildError: the training failed.
    """
    from edgescale.builder.train import train_watched

    recipe = _recipe(job)
    data = _open(job, recipe)
    whole = len(data.training(0).images)
    share = min(1.0, _MEASURED_STEPS * _batch(recipe) / whole)
    training = _training(replace(job, epochs=2), recipe, _Part(data, share))
    begun, ends = time.monotonic(), [0.0]

    def watch(number: int, loss: float, accuracy: float) -> bool:
        ends.append(time.monotonic() - begun)
        return True

    train_watched(training, checkpoint=folder / CHECKPOINT_FILE, watch=watch)
    first, second = ends[1] - ends[0], ends[2] - ends[1]
    return max(0.0, first - second), second / share


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the installed packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def _recipe(job: TrialJob) -> Recipe:
    folder = None if job.data_folder is None else Path(job.data_folder)
    return recipe_from_table(job.recipe, Path(job.recipe_path), folder)


def _open(job: TrialJob, recipe: Recipe) -> Data:
    if recipe.data is None:
        raise SearchError(f"{job.recipe_path}: the recipe names no data to train on")
    data = open_data(recipe.data)
    if data.digest != job.data_digest:
        raise SearchError(
            f"trial {job.identity}: the images on {platform.node()} are not those the study began"
            " with; restore them, or search in another folder"
        )
    return data


def _training(job: TrialJob, recipe: Recipe, data: Data) -> Any:
    """Returns the training; its seed is the trial's alone, so that equal seeds are a pair."""
    from edgescale.builder.train import Training

    if recipe.training is None:
        raise SearchError(f"{job.recipe_path}: the recipe has no [training]")
    architecture = _architecture(job, recipe, len(data.labels))
    return Training(
        architecture=architecture,
        start=fresh_weights(architecture, job.seed),
        recipe=replace(recipe.training, seed=job.seed, epochs=job.epochs),
        data=data,
        preparation=preparation_of(recipe, job.resolution),
        momentum=_MOMENTUM,
    )


def _architecture(job: TrialJob, recipe: Recipe, classes: int) -> Architecture:
    multipliers = Coefficients(**job.coefficients).multipliers(job.phi)
    architecture = build_architecture(
        recipe.baseline,
        width=multipliers.width,
        depth=multipliers.depth,
        resolution=job.resolution,
        classes=classes,
        rounding=recipe.rules.rounding,
    )
    if architecture.digest != job.architecture_digest:
        raise SearchError(
            f"trial {job.identity}: the recipe makes another network on {platform.node()} than in"
            " the study; all machines need the same files and the same edgescale"
        )
    return architecture


def _batch(recipe: Recipe) -> int:
    return recipe.training.batch_size if recipe.training else 1


class _Clock:
    """Wall and CPU seconds of a trial, those of its earlier runs included."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _SPENT_FILE
        self._start = time.monotonic(), time.process_time()
        record: Any = read_json(self._path, SearchError) if self._path.is_file() else {}
        self._before = float(record.get("wall_s", 0)), float(record.get("cpu_s", 0))

    def spent(self) -> tuple[float, float]:
        """Returns the seconds so far and notes them, for the case that this run is killed."""
        wall_s = self._before[0] + time.monotonic() - self._start[0]
        cpu_s = self._before[1] + time.process_time() - self._start[1]
        write_json(self._path, {"wall_s": wall_s, "cpu_s": cpu_s})
        return wall_s, cpu_s


@dataclass(frozen=True)
class _Part:
    """The first images of each part of the data, for a measurement."""

    data: Data
    share: float

    @property
    def labels(self) -> tuple[str, ...]:
        return self.data.labels

    @property
    def digest(self) -> str:
        return self.data.digest

    def training(self, epoch: int) -> LabelledImages:
        return self._first(self.data.training(epoch))

    def validation(self) -> LabelledImages:
        return self._first(self.data.validation())

    def test(self) -> LabelledImages:
        return self._first(self.data.test())

    def _first(self, part: LabelledImages) -> LabelledImages:
        count = max(1, round(self.share * len(part.images)))
        return LabelledImages(part.images[:count], part.classes[:count])
