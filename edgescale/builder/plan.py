"""What a build will do: its variants, the stages of each, and a key for every stage.

A key is a hash of all that a stage's result depends on: its part of the resolved recipe, the data
it reads, its own version, and the key of the stage before. Equal keys mean equal results, so a
stage whose result is there is not run again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from edgescale.builder.class_folders import evaluation_digest
from edgescale.builder.data import Data, open_data
from edgescale.builder.photos import photos_digest
from edgescale.builder.pixels import INPUT_SCALE, INPUT_ZERO_POINT, MEAN, STD
from edgescale.builder.published_weights import PUBLISHED_CLASSES, SOURCES
from edgescale.builder.recipe import Recipe
from edgescale.errors import ArchitectureError, RecipeError
from edgescale.family.manifest import Preparation
from edgescale.scaling.solve import Solution, phi_from_times, solve
from edgescale.scaling.variant import Variant, published, scale

_LITE_CROP_MARGIN_PX = 32  # the published crop: size / (size + 32) of the shorter side

# A version goes up when the stage would give another result for the same inputs.
STAGE_VERSIONS = {"network": 1, "weights": 1, "train": 2, "quantise": 1, "evaluate": 1}


@dataclass(frozen=True)
class Digests:
    """Sha256 of the images a build reads; None where it reads none."""

    data: str | None
    calibration: str
    evaluation: str | None


@dataclass(frozen=True)
class PlannedVariant:
    """One variant to build: its stages in order, the variant it starts from, its file's limit."""

    variant: Variant
    preparation: Preparation
    keys: Mapping[str, str]  # stage: key, in the order of the work
    previous: str | None
    max_file_bytes: int | None

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def weights_stage(self) -> str:
        """The stage whose weights are quantised."""
        return "train" if "train" in self.keys else "weights"


@dataclass(frozen=True)
class Plan:
    """A family to build; variants from the least MACs to the most.

    ``solution`` is the variant that the recipe's limits made, where it has any.
    """

    recipe: Recipe
    labels: tuple[str, ...]
    digests: Digests
    variants: tuple[PlannedVariant, ...]
    solution: Solution | None

    def variant(self, name: str) -> PlannedVariant:
        """Returns the planned variant of this name."""
        return next(planned for planned in self.variants if planned.name == name)


def make_plan(recipe: Recipe, digests: Digests | None = None) -> Plan:
    """Scales the variants, looks at the data and computes the keys.

    Args:
        recipe: what to build.
        digests: known digests of the images; they are computed where not given.

    Raises:
        RecipeError: phis that make no network or the same network twice.
        DataError: data that cannot be used.
    """
    data = None if recipe.data is None else open_data(recipe.data)
    labels = recipe.labels if data is None else data.labels
    if labels is None:
        raise RecipeError("the recipe names neither [data] nor [labels]")
    digests = digests or _digests(recipe, data, labels)
    made, solution = _variants(recipe, len(labels))
    variants = sorted(made, key=lambda variant: variant.cost.macs)
    _refuse_doubles(variants)
    planned: list[PlannedVariant] = []
    for variant in variants:
        before = planned[-1] if planned and recipe.weights == "previous" else None
        limit = _file_limit(recipe, variant, solution)
        planned.append(_planned(recipe, variant, digests, previous=before, limit=limit))
    return Plan(recipe, labels, digests, tuple(planned), solution)


def _digests(recipe: Recipe, data: Data | None, labels: tuple[str, ...]) -> Digests:
    own = None if data is None else data.digest
    photos = recipe.quantisation.dataset == "skimage-photos"
    evaluation = None
    if recipe.evaluation is not None:
        evaluation = evaluation_digest(recipe.evaluation.folder, labels)
    return Digests(own, photos_digest() if photos else str(own), evaluation)


def _variants(recipe: Recipe, classes: int) -> tuple[list[Variant], Solution | None]:
    """Scales what was asked for; the limits' variant is one more unless it is among the others."""
    asked, baseline, rules = recipe.variants, recipe.baseline, recipe.rules
    solution = None
    try:
        equation = rules.coefficients.equation
        phis = (*asked.phis, *(phi_from_times(times, equation) for times in asked.times))
        variants = [scale(baseline, phi, classes=classes, rules=rules) for phi in phis]
        variants += [published(baseline, name, classes=classes) for name in asked.names]
        if asked.limits is not None:
            solution = solve(baseline, asked.limits, classes=classes, rules=rules)
    except ArchitectureError as problem:
        raise RecipeError(f"recipe '{recipe.name}', variants: {problem}") from problem
    known = {variant.architecture.digest for variant in variants}
    if solution is not None and solution.variant.architecture.digest not in known:
        variants.append(solution.variant)
    if recipe.weights == "published":
        _check_published(recipe, classes)
    return variants, solution


def _check_published(recipe: Recipe, classes: int) -> None:
    if recipe.data is None and classes != PUBLISHED_CLASSES:
        raise RecipeError(
            f"recipe '{recipe.name}': published weights know {PUBLISHED_CLASSES} classes, but"
            f" [labels] names {classes}; name them all, or give [data] to train on"
        )
    for name in recipe.variants.names:
        if name not in SOURCES:
            raise RecipeError(
                f"recipe '{recipe.name}': no package carries weights for"
                f" '{name}'; there are {', '.join(SOURCES)}"
            )


def _file_limit(recipe: Recipe, variant: Variant, solution: Solution | None) -> int | None:
    """Returns the limit of a variant's file, which only the solved one has."""
    limits = recipe.variants.limits
    if limits is None or solution is None:
        return None
    solved = variant.architecture.digest == solution.variant.architecture.digest
    return limits.file_bytes if solved else None


def _refuse_doubles(variants: list[Variant]) -> None:
    """Refuses two variants that are one network (rounding can eat a small step of phi)."""
    for smaller, larger in pairwise(variants):
        if smaller.architecture.digest == larger.architecture.digest:
            raise RecipeError(
                f"variants '{smaller.name}' and '{larger.name}' are the same network"
                " after rounding; drop one or set their phis further apart"
            )


def _planned(
    recipe: Recipe,
    variant: Variant,
    digests: Digests,
    *,
    previous: PlannedVariant | None,
    limit: int | None,
) -> PlannedVariant:
    preparation = preparation_of(recipe, variant.resolution)
    parts = _parts(recipe, variant, digests, preparation, previous)
    if limit is not None:
        parts["quantise"].append(limit)  # the stage refuses a larger file
    keys: dict[str, str] = {}
    last = ""
    for stage, part in parts.items():
        last = stage_key(stage, part, last)
        keys[stage] = last
    before = None if previous is None else previous.name
    return PlannedVariant(variant, preparation, keys, before, limit)


def stage_key(stage: str, part: object, before: str) -> str:
    """Hashes what a stage's result depends on."""
    content = json.dumps([stage, STAGE_VERSIONS[stage], part, before], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _parts(
    recipe: Recipe,
    variant: Variant,
    digests: Digests,
    preparation: Preparation,
    previous: PlannedVariant | None,
) -> dict[str, Any]:
    """Returns what each stage depends on beside the stage before; a stage not named is not run."""
    prepared = asdict(preparation)
    parts: dict[str, Any] = {
        "network": variant.architecture.digest,
        "weights": {
            "from": recipe.weights,
            "seed": recipe.training.seed if recipe.training else None,
            "published": SOURCES[variant.name].sha256 if recipe.weights == "published" else None,
            "previous": None if previous is None else previous.keys[previous.weights_stage],
        },
    }
    if recipe.weights_file is not None:  # a key of its own: others' keys stay what they were
        parts["weights"]["file"] = recipe.weights_file.sha256
    if recipe.training is not None:
        parts["train"] = [asdict(recipe.training), digests.data, prepared]
    parts["quantise"] = [asdict(recipe.quantisation), digests.calibration, prepared]
    if digests.data or digests.evaluation:
        parts["evaluate"] = [digests.data, digests.evaluation, prepared]
    return parts


def preparation_of(recipe: Recipe, size: int) -> Preparation:
    """Returns how pictures are prepared for a network of this input size in pixels."""
    crop = size / (size + _LITE_CROP_MARGIN_PX)
    return Preparation(
        height=size,
        width=size,
        crop_fraction=crop if recipe.data is None else recipe.data.crop_fraction,
        mean=MEAN,
        std=STD,
        dtype="uint8",
        scale=INPUT_SCALE,
        zero_point=INPUT_ZERO_POINT,
    )
