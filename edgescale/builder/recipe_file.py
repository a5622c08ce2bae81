"""Reads a recipe from TOML: every key checked, every default filled in, typing errors refused.

Paths in a recipe are relative to the file they stand in.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgescale.architecture.baseline import BASELINES, Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.rounding import ROUNDINGS
from edgescale.builder.recipe import (
    DATASETS,
    WEIGHTS,
    DataRecipe,
    EvaluationRecipe,
    Recipe,
)
from edgescale.builder.recipe_labels import read_labels
from edgescale.builder.recipe_training import LARGEST_SEED, read_quantisation, read_training
from edgescale.builder.tensorflow_setup import INSTALL_BUILD
from edgescale.errors import ArchitectureError, RecipeError
from edgescale.family.fields import Fields, did_you_mean
from edgescale.family.manifest import NAME
from edgescale.scaling.coefficients import EQUATIONS, Coefficients
from edgescale.scaling.variant import LARGEST_PHI, ScalingRules

_LARGEST_RECIPE_BYTES = 2**20
_SPELLED_OUT = ("stem_filters", "blocks", "head_filters", "resolution")
_BASELINE_KEYS = ("name", *_SPELLED_OUT, "depth_divisor", "activation", "fix_stem_head")


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe file.

    Raises:
        RecipeError: unreadable, not TOML, or a recipe that cannot be built.
    """
    return recipe_from_table(parse_toml(path), path)


def parse_toml(path: Path) -> dict[str, Any]:
    """Parses a TOML file of bounded size.

    Raises:
        RecipeError: it cannot be read or is not TOML.
    """
    try:
        if path.stat().st_size > _LARGEST_RECIPE_BYTES:
            raise RecipeError(f"{path}: larger than 1 MiB, which no recipe is")
        return _loads(path.read_text("utf-8"))
    except OSError as problem:
        raise RecipeError(
            f"{path}: cannot be read ({problem.strerror}); give a recipe.toml"
        ) from problem
    except (ValueError, RecursionError) as problem:
        raise RecipeError(f"{path}: not valid TOML ({problem})") from problem


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads(text)
    try:
        import tomli
    except ImportError as problem:
        raise RecipeError(
            "reading recipes on Python 3.10 needs tomli, which is not installed; install it with:"
            f" {INSTALL_BUILD}"
        ) from problem
    table: dict[str, Any] = tomli.loads(text)
    return table


def recipe_from_table(table: Mapping[str, Any], path: Path) -> Recipe:
    """Builds the recipe from parsed TOML; ``path`` is the file it was read from.

    Raises:
        RecipeError: an unknown, missing or malformed key, or parts that do not fit together.
    """
    fields = Fields(table, path.name, RecipeError)
    home = path.parent
    data = _data(fields.optional_table("data"), home)
    labels, labels_source = read_labels(fields.optional_table("labels"), home)
    phis, names = _variants(fields.table("variants"))
    weights = _weights(fields.optional_table("weights"))
    try:
        recipe = Recipe(
            name=_name(fields),
            baseline=_baseline(fields.table("baseline")),
            rules=_rules(fields.optional_table("scaling")),
            phis=phis,
            names=names,
            data=data,
            labels=labels,
            labels_source=labels_source,
            weights=weights,
            training=read_training(fields.optional_table("training"), weights),
            quantisation=read_quantisation(
                fields.optional_table("quantisation"), has_data=data is not None
            ),
            evaluation=_evaluation(fields.optional_table("evaluation"), home),
        )
    except ArchitectureError as problem:
        raise RecipeError(f"{path.name}: {problem}") from problem
    fields.close()
    _check_together(recipe, path.name)
    return recipe


def _name(fields: Fields) -> str:
    name: str = fields.text("name", longest=100)
    if not NAME.fullmatch(name):
        raise fields.refuse("name", "letters, digits and . _ + - (at most 100)")
    return name


def _baseline(fields: Fields) -> Baseline:
    name = fields.text("name", "custom", longest=100)
    if name in BASELINES:
        baseline = find_baseline(name)
    elif not any(fields.has(key) for key in _SPELLED_OUT):
        fields.refuse_unknown(_BASELINE_KEYS)
        raise RecipeError(
            f"{fields.where}.name: '{name}' is not known"
            f"{did_you_mean(name, BASELINES)} (or spell the network out with"
            f" {', '.join(_SPELLED_OUT)})"
        )
    else:
        baseline = Baseline(
            name=name,
            stem_filters=fields.integer("stem_filters", low=1, high=100_000),
            blocks=tuple(parse_block(text) for text in fields.texts("blocks", most=100)),
            head_filters=fields.integer("head_filters", low=1, high=100_000),
            depth_divisor=fields.integer("depth_divisor", 8, low=1, high=1_000),
            resolution=fields.integer("resolution", low=1, high=4_096),
            activation=fields.text("activation", "relu", choices=("relu", "relu6")),
            fix_stem_head=fields.boolean("fix_stem_head", False),
        )
    fields.close()
    return baseline


def _rules(fields: Fields | None) -> ScalingRules:
    if fields is None:
        return ScalingRules()
    rules = ScalingRules(
        Coefficients.of(
            fields.text("equation", "power", choices=EQUATIONS),
            alpha=fields.number("alpha", None),
            beta=fields.number("beta", None),
            gamma=fields.number("gamma", None),
        ),
        rounding=fields.text("rounding", "nearest", choices=ROUNDINGS),
        resolution_step=fields.integer("resolution_step", 8, low=1, high=512),
        trim=fields.boolean("resolution_trim", True),
    )
    fields.close()
    return rules


def _variants(fields: Fields) -> tuple[tuple[float, ...], tuple[str, ...]]:
    phis: tuple[float, ...] = fields.numbers("phis", (), most=100)
    names: tuple[str, ...] = fields.texts("names", (), most=100, longest=100)
    fields.close()
    if not phis and not names:
        raise RecipeError(
            f"{fields.where}: no variants; give phis, e.g. phis = [-1, 0, 1], or"
            ' names of published ones, e.g. names = ["lite0"]'
        )
    for phi in phis:
        if abs(phi) > LARGEST_PHI:
            raise RecipeError(
                f"{fields.where}.phis: {phi:g} is not between {-LARGEST_PHI:g} and {LARGEST_PHI:g}"
            )
    every: Sequence[object] = (*phis, *names)
    for value in every:
        if every.count(value) > 1:
            raise RecipeError(f"{fields.where}: {value} stands there twice")
    return phis, names


def _data(fields: Fields | None, home: Path) -> DataRecipe | None:
    if fields is None:
        return None
    dataset = fields.text("dataset", None, choices=DATASETS)
    written = fields.text("folder", None, longest=1_000)
    recipe = DataRecipe(
        dataset=dataset,
        folder=None if written is None else home / written,
        folder_as_written=written,
        validation_fraction=fields.number("validation_fraction", 0.1, low=0, high=0.5),
        test_fraction=fields.number("test_fraction", 0.2, low=0.01, high=0.5),
        seed=fields.integer("seed", 0, high=LARGEST_SEED),
        crop_fraction=fields.number("crop_fraction", 1.0, low=0.1, high=1),
    )
    fields.close()
    if (dataset is None) == (written is None):
        raise RecipeError(
            f'{fields.where}: give either dataset = "cluttered-digits" or folder ='
            " a folder with a folder per class"
        )
    return recipe


def _weights(fields: Fields | None) -> str:
    if fields is None:
        return "scratch"
    source: str = fields.text("from", choices=WEIGHTS)
    fields.close()
    return source


def _evaluation(fields: Fields | None, home: Path) -> EvaluationRecipe | None:
    if fields is None:
        return None
    written = fields.text("folder", longest=1_000)
    fields.close()
    return EvaluationRecipe(folder=home / written, folder_as_written=written)


def _check_together(recipe: Recipe, where: str) -> None:
    """Refuses parts that are right alone and wrong together."""
    if (recipe.data is None) == (recipe.labels is None):
        raise RecipeError(
            f"{where}: give [data], whose folders name the classes, or [labels] for a"
            " family without data, not both"
        )
    if recipe.training is not None and recipe.data is None:
        raise RecipeError(f"{where}: [training] needs [data] to train on")
    if recipe.training is None and recipe.weights != "published":
        raise RecipeError(
            f"{where}: weights from '{recipe.weights}' need [training]; only"
            " published ones are used as they are"
        )
    if recipe.weights == "published" and (
        recipe.phis or recipe.baseline.name != "efficientnet-lite"
    ):
        raise RecipeError(
            f"{where}: published weights exist for the baseline 'efficientnet-lite'"
            " and its names lite0, lite1, lite2 only"
        )
    if recipe.quantisation.dataset == "training" and recipe.data is None:
        raise RecipeError(f"{where}: quantisation.dataset is 'training', but there is no [data]")
    if recipe.evaluation is not None and recipe.data is not None:
        raise RecipeError(
            f"{where}: [evaluation] is for families without [data]; with it the test"
            " part of the data is used"
        )
