"""The stages of one variant, in order; each reads the results before it and writes its own.

network -> weights -> train -> quantise -> evaluate. A stage is a function of a ``Work`` and an
empty folder; what it says in one line is shown to the user.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.network import Architecture
from edgescale.builder.budget import checked_size
from edgescale.builder.class_folders import evaluation_images
from edgescale.builder.data import Data, LabelledImages, open_data
from edgescale.builder.plan import Plan, PlannedVariant
from edgescale.builder.published_weights import PUBLISHED_CLASSES, published_weights
from edgescale.builder.recipe import WeightsFile
from edgescale.builder.results import BUILD_FOLDER, stage_folder
from edgescale.builder.weights import (
    Weights,
    check_weights,
    fresh_weights,
    grown_weights,
    load_weights,
    save_weights,
)
from edgescale.errors import BuildError
from edgescale.family.manifest import Artifact
from edgescale.family.store import write_json
from edgescale.inference.preparation import Image
from edgescale.units import count, millions

ARCHITECTURE_FILE = "architecture.json"
WEIGHTS_FILE = "weights.npz"
TRAINING_FILE = "training.json"
MODEL_FILE = "model.tflite"
EVALUATION_FILE = "evaluation.json"
_CHECKPOINT = ".checkpoint.npz"
_SCRATCH_MOMENTUM = 0.9  # running statistics must follow the few thousand steps of a small training
_PUBLISHED_MOMENTUM = 0.99

OnEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class Work:
    """What the stages of one variant work on."""

    family: Path
    plan: Plan
    planned: PlannedVariant
    on_epoch: OnEpoch

    @property
    def architecture(self) -> Architecture:
        """The variant's network."""
        return self.planned.variant.architecture

    @cached_property
    def data(self) -> Data | None:
        """The recipe's labelled images."""
        recipe = self.plan.recipe.data
        return None if recipe is None else open_data(recipe)

    def result(self, stage: str, variant: str | None = None) -> Path:
        """Returns the folder of a stage's result."""
        return stage_folder(self.family, variant or self.planned.name, stage)

    def checkpoint(self) -> Path:
        """Returns the file of the training's state; another training has another file."""
        key = self.planned.keys["train"]
        return self._folder / f"train-{key[:16]}{_CHECKPOINT}"

    def remove_checkpoints(self) -> None:
        """Removes the states of finished and given-up trainings."""
        for path in self._folder.glob(f"*{_CHECKPOINT}"):
            path.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.family / BUILD_FOLDER / self.planned.name


def make_network(work: Work, folder: Path) -> str:
    """Writes the architecture and proves that the Keras model has its parameters."""
    from edgescale.builder.network import check_parameters, export_model

    architecture = work.architecture
    check_parameters(export_model(architecture), architecture)
    write_json(folder / ARCHITECTURE_FILE, architecture.to_record())
    variant = work.planned.variant
    return (
        f"{count(variant.cost.parameters)} parameters, {millions(variant.cost.macs)} MACs"
        f" ({variant.macs_ratio:.2f} x baseline, asked {variant.asked_macs_ratio:.2f})"
    )


def make_weights(work: Work, folder: Path) -> str:
    """Writes the weights before training: fresh, published, or grown from smaller ones."""
    recipe, architecture = work.plan.recipe, work.architecture
    seed = recipe.training.seed if recipe.training is not None else 0
    said = "from scratch"
    if recipe.weights == "published":
        weights, said = _published(work, seed), "published"
    else:
        weights = fresh_weights(architecture, seed)
    if recipe.weights_file is not None:
        weights, said = _started_from(recipe.weights_file, weights)
    previous = work.planned.previous
    if previous is not None:
        stage = work.plan.variant(previous).weights_stage
        smaller = load_weights(work.result(stage, previous) / WEIGHTS_FILE)
        weights, said = grown_weights(smaller, weights), f"grown from {previous}"
    check_weights(weights, architecture)
    save_weights(folder / WEIGHTS_FILE, weights)
    return f"{said}, {count(sum(array.size for array in weights.values()))} numbers"


def _started_from(file: WeightsFile, fresh: Weights) -> tuple[dict[str, NDArray[np.float32]], str]:
    """Returns a file's weights as far as they fit; an equal network takes them whole.

    Raises:
        BuildError: nothing of it fits.
    """
    known = load_weights(file.path)
    fitting = [name for name, array in fresh.items()
               if name in known and known[name].shape == array.shape]  # fmt: skip
    if not fitting:
        raise BuildError(
            f"{file.as_written}: no array of it fits this network; give weights that were trained"
            " with the recipe's baseline"
        )
    how = "taken" if len(fitting) == len(fresh) else "grown"
    return grown_weights(known, fresh), f"{how} from {file.as_written}"


def _published(work: Work, seed: int) -> dict[str, NDArray[np.float32]]:
    """Returns published weights, with a fresh classifier where the classes are others."""
    from edgescale.scaling.variant import published

    variant, recipe = work.planned.variant, work.plan.recipe
    original = published(recipe.baseline, variant.name, classes=PUBLISHED_CLASSES).architecture
    weights = published_weights(variant.name, original)
    if recipe.data is None:
        return weights
    fresh = fresh_weights(work.architecture, seed)
    return {name: fresh[name] if name.startswith("classifier/") else weights[name]
            for name in fresh}  # fmt: skip


def train_network(work: Work, folder: Path) -> str:
    """Writes the trained weights and how training went."""
    from edgescale.builder.train import Training, train

    recipe = work.plan.recipe
    if recipe.training is None or work.data is None:
        raise BuildError("the recipe names nothing to train on")
    training = Training(
        architecture=work.architecture,
        start=load_weights(work.result("weights") / WEIGHTS_FILE),
        recipe=recipe.training,
        data=work.data,
        preparation=work.planned.preparation,
        momentum=_PUBLISHED_MOMENTUM if recipe.weights == "published" else _SCRATCH_MOMENTUM,
    )
    done = train(training, checkpoint=work.checkpoint(), on_epoch=work.on_epoch)
    save_weights(folder / WEIGHTS_FILE, done.weights)
    write_json(folder / TRAINING_FILE, {"losses": list(done.losses),
                                        "validation_top1": done.validation_top1})  # fmt: skip
    watched = done.validation_top1
    seen = "no validation images" if watched is None else f"validation {100 * watched:.1f} %"
    return f"{len(done.losses)} epochs, loss {done.losses[-1]:.3f}, {seen}"


def quantise_network(work: Work, folder: Path) -> str:
    """Writes the int8 model."""
    from edgescale.builder.quantise import quantise

    path = folder / MODEL_FILE
    quantise(
        work.architecture,
        load_weights(work.result(work.planned.weights_stage) / WEIGHTS_FILE),
        recipe=work.plan.recipe.quantisation,
        data=work.data,
        preparation=work.planned.preparation,
        path=path,
    )
    return checked_size(work.plan, work.planned, path.stat().st_size)


def evaluate_network(work: Work, folder: Path) -> str:
    """Writes the answers of the float and the int8 model to the same held-out pictures."""
    from edgescale.builder.network import scoring_model, set_weights
    from edgescale.builder.score import top_classes
    from edgescale.inference.evaluation import evaluate, save_evaluation, with_model

    held_out, preparation = _held_out(work), work.planned.preparation
    model = scoring_model(work.architecture)
    weights = load_weights(work.result(work.planned.weights_stage) / WEIGHTS_FILE)
    set_weights(model, work.architecture, weights)
    evaluation = evaluate(
        with_model(work.result("quantise") / MODEL_FILE, preparation),
        _samples(held_out),
        float_top1=top_classes(model, held_out, preparation, 1)[:, 0].tolist(),
    )
    save_evaluation(folder / EVALUATION_FILE, evaluation)
    sums = evaluation.accuracy(Artifact(EVALUATION_FILE, "", 0))
    return (
        f"top-1 float {100 * (sums.float_top1 or 0):.1f} % int8 {100 * sums.int8_top1:.1f} %,"
        f" agreement {100 * (sums.agreement or 0):.1f} % (n={sums.n})"
    )


def _held_out(work: Work) -> LabelledImages:
    if work.data is not None:
        return work.data.test()
    recipe = work.plan.recipe.evaluation
    if recipe is None:
        raise BuildError("the recipe names no images to evaluate on")
    return evaluation_images(recipe.folder, work.plan.labels)


def _samples(part: LabelledImages) -> Iterator[tuple[Image, int]]:
    for index in range(len(part.images)):
        yield part.images[index], int(part.classes[index])


STAGES: dict[str, Callable[[Work, Path], str]] = {
    "network": make_network,
    "weights": make_weights,
    "train": train_network,
    "quantise": quantise_network,
    "evaluate": evaluate_network,
}
