"""What a search is: recipe, data, candidates, seeds and scoring, fixed before its first trial.

The definition is stored with the study, so that a search which goes on is the one that began.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from edgescale.architecture.baseline import TrainedScore
from edgescale.builder.data import Data, open_data
from edgescale.builder.recipe import Recipe, TrainingRecipe, baseline_record
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.toml_file import parse_toml
from edgescale.errors import SearchError
from edgescale.scaling.variant import scale
from edgescale.search.grid import incumbent_of
from edgescale.search.score import Scoring
from edgescale.search.space import Candidate, Space, make_space, numbers, sample
from edgescale.search.training import TrialJob, versions
from edgescale.search.trial import candidate_identity, trial_identity

log = logging.getLogger(__name__)
STRATEGIES = ("grid", "random", "tpe")
PRUNERS = ("halving",)
TRIALS_FOLDER = "trials"
_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SearchOptions:
    """What a user asks for.

    Attributes:
        recipe: the recipe file: baseline, scaling, data and training.
        data_folder: images in place of the recipe's.
        strategy: one of ``STRATEGIES``.
        step: of the grid, a decimal text.
        tolerance: largest |alpha * beta^2 * gamma^2 - 2|, a decimal text.
        phi: where candidates are compared.
        scoring: how a curve becomes a score.
        candidates: how many random and TPE try; None for all.
        seeds: trainings of each candidate, with seeds 0, 1, 2 ...
        epochs: of a training; None for the recipe's.
        prune: one of ``PRUNERS``, or None.
        baseline: what proves that the baseline is trained (the patent starts from one that is):
            ``published``, ``trained`` here as trials at phi 0, or ``untrained``.
    """

    recipe: Path
    data_folder: Path | None = None
    strategy: str = "grid"
    step: str = "0.1"
    tolerance: str = "0.1"
    phi: float = 1.0
    scoring: Scoring = field(default_factory=Scoring)
    candidates: int | None = None
    seeds: int = 3
    epochs: int | None = None
    prune: str | None = None
    baseline: str = "published"


@dataclass(frozen=True)
class Search:
    """A search that can be run, or only looked at where its data is not here."""

    options: SearchOptions
    table: Mapping[str, Any]
    recipe: Recipe
    training: TrainingRecipe
    images: Data | None
    classes: int
    space: Space
    epochs: int

    @cached_property
    def chosen(self) -> tuple[Candidate, ...]:
        """The candidates in the order of their trials; TPE chooses among all of them later.

        Raises:
            SearchError: more are asked for than there are.
        """
        if self.options.strategy == "grid":
            return self.space.candidates
        number = self.options.candidates or len(self.space.candidates)
        drawn = sample(self.space, number, self.sampler_seed)
        return drawn if self.options.strategy == "random" else self.space.candidates

    @cached_property
    def baseline(self) -> Candidate:
        """The baseline itself, as the candidate at phi 0."""
        variant = scale(self.recipe.baseline, 0, classes=self.classes, rules=self.recipe.rules)
        identity = candidate_identity(variant.architecture)
        return Candidate(identity, self.space.incumbent.coefficients, (), variant, 0.0, False)

    @property
    def data(self) -> Data:
        """The labelled images.

        Raises:
            SearchError: the search was planned without them.
        """
        if self.images is None:
            raise SearchError("this search was planned without its images, so it cannot be run")
        return self.images

    @property
    def seeds(self) -> range:
        """The seeds of each candidate; the same for all, so that trials pair."""
        return range(self.options.seeds)

    @property
    def wanted(self) -> int:
        """How many candidates are to be tried."""
        return min(self.options.candidates or len(self.chosen), len(self.chosen))

    @property
    def sampler_seed(self) -> int:
        """Seed of what is drawn: the recipe's own, which trials do not use."""
        return self.training.seed

    @property
    def trials(self) -> int:
        """How many trials the whole search has where none is pruned, the baseline's included."""
        return (self.wanted + (self.options.baseline == "trained")) * len(self.seeds)

    def pairs(self, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, int]]:
        """Yields trials seed by seed: a search that is cut short has compared all candidates."""
        for seed in self.seeds:
            for candidate in candidates:
                yield candidate, seed

    def job(self, candidate: Candidate, seed: int, folder: Path) -> TrialJob:
        """Returns what an engine needs to train one trial of the study in ``folder``."""
        identity = trial_identity(candidate.identity, seed)
        data = self.options.data_folder
        return TrialJob(
            identity=identity,
            recipe=self.table,
            recipe_path=str(self.options.recipe.absolute()),
            data_folder=None if data is None else str(data.absolute()),
            coefficients=asdict(candidate.coefficients),
            phi=candidate.phi,
            resolution=candidate.variant.resolution,
            architecture_digest=candidate.variant.architecture.digest,
            data_digest=self.data.digest,
            seed=seed,
            epochs=self.epochs,
            folder=str(folder.absolute() / TRIALS_FOLDER / identity),
        )

    @cached_property
    def definition(self) -> dict[str, Any]:
        """Everything that decides the trials and their scores, as plain JSON values."""
        options, recipe = self.options, self.recipe
        own = options.baseline == "published" and recipe.baseline.trained
        record = {
            "schema_version": _SCHEMA_VERSION,
            "recipe": recipe.name,
            "baseline": baseline_record(recipe.baseline),
            "baseline_is": options.baseline,
            "baseline_trained": asdict(own) if own else None,
            "task": f"{_task(recipe)} ({self.classes} classes)",
            "data_digest": self.data.digest,
            "train_images": len(self.data.training(0).images),
            "validation_images": len(self.data.validation().images),
            "crop_fraction": recipe.data.crop_fraction if recipe.data else None,
            "training": asdict(self.training),
            "strategy": options.strategy,
            "step": options.step,
            "tolerance": options.tolerance,
            "phi": options.phi,
            "equation": recipe.rules.coefficients.equation,
            "rounding": recipe.rules.rounding,
            "resolution_step": recipe.rules.resolution_step,
            "resolution_trim": recipe.rules.trim,
            "metric": options.scoring.metric,
            "score": options.scoring.text,
            "seeds": list(self.seeds),
            "epochs": self.epochs,
            "trials": options.candidates,
            "prune": options.prune,
            "sampler_seed": self.sampler_seed,
            "candidates": [candidate.identity for candidate in self.chosen],
            "seeds_before": [],  # what ``continued`` adds
            "versions": versions(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain


def plan_search(options: SearchOptions, *, classes: int | None = None) -> Search:
    """Reads recipe and data and lists the candidates; trains nothing and writes nothing.

    Args:
        options: what to search.
        classes: look at a search without its data, with this many outputs.

    Raises:
        RecipeError: a recipe that cannot be read.
        DataError: data that cannot be used.
        SearchError: a recipe without training, a baseline of which nothing says that it was
            trained, or nothing to compare.
    """
    table = parse_toml(options.recipe)
    recipe = recipe_from_table(table, options.recipe, options.data_folder)
    training, epochs = _training(recipe, options)
    check_trained(recipe.baseline.trained, options.baseline, recipe.baseline.name)
    data = None if recipe.data is None or classes is not None else open_data(recipe.data)
    if data is not None and not len(data.validation().images):
        raise SearchError(
            f"{options.recipe}: a trial is scored on validation images, of which there are none;"
            " raise data.validation_fraction"
        )
    _tell_unused(recipe)
    outputs = classes or (len(data.labels) if data else 0)
    space = make_space(recipe.baseline, classes=outputs, rules=recipe.rules, phi=options.phi,
                       step=options.step, tolerance=options.tolerance)  # fmt: skip
    return Search(options, table, recipe, training, data, outputs, space, epochs)


def _tell_unused(recipe: Recipe) -> None:
    own = recipe.rules.coefficients
    published = incumbent_of(own.equation)
    if own != published:
        log.warning(
            "the recipe's own alpha, beta and gamma %g/%g/%g are not used: a search tries those of"
            " its grid, beside the published %g/%g/%g",
            *numbers(own),
            *numbers(published),
        )


def _training(recipe: Recipe, options: SearchOptions) -> tuple[TrainingRecipe, int]:
    """Returns how candidates are trained, and for how many epochs.

    Raises:
        SearchError: the recipe trains nothing, or not what a search needs.
    """
    training = recipe.training
    if recipe.data is None or training is None:
        raise SearchError(
            f"{options.recipe}: a search trains its candidates, so the recipe needs [data] (or"
            " --data) and [training]"
        )
    if recipe.weights != "scratch":
        raise SearchError(
            f"{options.recipe}: a search trains every candidate from scratch, but [weights] says"
            f" '{recipe.weights}'; remove it"
        )
    epochs = options.epochs or training.epochs
    options.scoring.check_epochs(epochs)
    if training.warmup_epochs >= epochs:
        raise SearchError(
            f"warmup_epochs is {training.warmup_epochs:g} of {epochs} epochs; it must be smaller"
        )
    return training, epochs


def check_trained(trained: TrainedScore | None, baseline: str, name: str) -> None:
    """Refuses a search whose baseline nobody has trained, unless that is said.

    Raises:
        SearchError: no score is known, and none of the other two ways was chosen.
    """
    if baseline == "published" and trained is None:
        raise SearchError(
            f"the method starts from a trained baseline, but no score of '{name}' is known: give"
            " its [baseline.trained] in the recipe, --train-baseline to train it here too, or"
            " --untrained-baseline to search without"
        )


def _task(recipe: Recipe) -> str:
    if recipe.data is None:
        return "no data"
    return recipe.data.dataset or str(recipe.data.folder_as_written)
