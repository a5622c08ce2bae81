"""The parts of a recipe that say how variants are trained and quantised, with their defaults.

A default must work by itself: the warm-up fits short trainings, and the rate leaves published
weights alive.
"""

from edgescale.builder.photos import FEWEST_PICTURES
from edgescale.builder.recipe import CALIBRATIONS, QuantisationRecipe, TrainingRecipe
from edgescale.errors import RecipeError
from edgescale.family.fields import Fields

LARGEST_SEED = 2**31 - 1
_LEARNING_RATE = 4e-3
_FINE_TUNING_RATE = 3e-4  # the rate from scratch unlearns published weights in an epoch
_WARMUP_EPOCHS = 2


def read_training(fields: Fields | None, weights: str) -> TrainingRecipe | None:
    """Reads [training]; ``weights`` says what it starts from.

    Raises:
        RecipeError: an unknown, missing or malformed key, or a warm-up that never ends.
    """
    if fields is None:
        return None
    turns = fields.optional_table("augmentation") or Fields({}, fields.where, RecipeError)
    epochs = fields.integer("epochs", low=1, high=10_000)
    rate = _FINE_TUNING_RATE if weights == "published" else _LEARNING_RATE
    recipe = TrainingRecipe(
        epochs=epochs,
        batch_size=fields.integer("batch_size", 64, low=2, high=4_096),
        learning_rate=fields.number("learning_rate", rate, low=1e-9, high=10),
        warmup_epochs=fields.number(
            "warmup_epochs", min(_WARMUP_EPOCHS, epochs / 4), low=0, high=1_000
        ),
        dropout=fields.number("dropout", 0.1, low=0, high=0.9),
        drop_connect=fields.number("drop_connect", 0, low=0, high=0.9),
        rotate_deg=turns.number("rotate_deg", 0, low=0, high=180),
        scale=turns.number("scale", 0, low=0, high=0.9),
        shift=turns.number("shift", 0, low=0, high=0.9),
        flip=turns.boolean("flip", False),
        seed=fields.integer("seed", 0, high=LARGEST_SEED),
    )
    turns.close()
    fields.close()
    if recipe.warmup_epochs >= recipe.epochs:
        raise RecipeError(
            f"{fields.where}: warmup_epochs is {recipe.warmup_epochs:g} of"
            f" {recipe.epochs} epochs; it must be smaller"
        )
    return recipe


def read_quantisation(fields: Fields | None, *, has_data: bool) -> QuantisationRecipe:
    """Reads [quantisation]; without data it calibrates on photographs.

    Raises:
        RecipeError: an unknown or malformed key, or too few photographs.
    """
    fields = fields or Fields({}, "quantisation", RecipeError)
    default = CALIBRATIONS[0] if has_data else CALIBRATIONS[1]
    recipe = QuantisationRecipe(
        dataset=fields.text("dataset", default, choices=CALIBRATIONS),
        images=fields.integer("images", 200, low=1, high=100_000),
        seed=fields.integer("seed", 0, high=LARGEST_SEED),
    )
    fields.close()
    if recipe.dataset == "skimage-photos" and recipe.images < FEWEST_PICTURES:
        raise RecipeError(
            f"{fields.where}: images is {recipe.images}, but calibration on skimage-photos needs"
            f" at least {FEWEST_PICTURES}; raise images"
        )
    return recipe
