"""Trains one variant: an own step loop, because each epoch is checkpointed and must repeat exactly.

Adam, linear warm-up, cosine to zero, one augmenting warp a picture. On one thread the same recipe
gives the same bits, killed in between or not.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.architecture.network import Architecture
from edgescale.builder.augment import Turns, random_turns, reduced, turned
from edgescale.builder.checkpoint import load_checkpoint, save_checkpoint
from edgescale.builder.data import Data, LabelledImages
from edgescale.builder.network import (
    check_parameters,
    set_weights,
    training_model,
    weights_of,
)
from edgescale.builder.pixels import MEAN, STD
from edgescale.builder.recipe import TrainingRecipe
from edgescale.builder.score import Top1, top1
from edgescale.builder.tensorflow_setup import import_tensorflow
from edgescale.builder.weights import Weights, check_weights
from edgescale.errors import BuildError
from edgescale.family.manifest import Preparation
from edgescale.inference.preparation import Image

log = logging.getLogger(__name__)
_LARGEST_CACHE_BYTES = 2**30

OnEpoch = Callable[[int, float], None]  # finished epochs, mean loss
Watch = Callable[[int, float, float], bool]  # and validation accuracy; False: train no further


@dataclass(frozen=True)
class Trained:
    """The weights after the last epoch, and how training went.

    ``validation_curve`` is the accuracy after each epoch, of a watched training only.
    """

    weights: Weights
    losses: tuple[float, ...]
    validation_top1: float | None
    validation_curve: tuple[float, ...] = ()


@dataclass(frozen=True)
class Training:
    """What to train.

    Attributes:
        architecture: the network.
        start: its weights before the first epoch.
        recipe: epochs, rates and augmentation.
        data: labelled images.
        preparation: how validation pictures are prepared, and the crop that training takes.
        momentum: of batch normalisation's running statistics.
    """

    architecture: Architecture
    start: Weights
    recipe: TrainingRecipe
    data: Data
    preparation: Preparation
    momentum: float


def train(training: Training, *, checkpoint: Path, on_epoch: OnEpoch) -> Trained:
    """Trains from the start, or goes on from the checkpoint.

    Args:
        training: what to train.
        checkpoint: file of the state after the last finished epoch.
        on_epoch: told after each epoch.

    Raises:
        BuildError: the loss is no longer a number.
    """
    model, loop = _prepared(training)
    losses = loop.restore(checkpoint)[0]
    for epoch in range(len(losses), training.recipe.epochs):
        losses.append(loop.epoch(training.data.training(epoch), epoch))
        save_checkpoint(checkpoint, losses, loop.variables)
        on_epoch(epoch + 1, losses[-1])
    weights = _weights(model, training.architecture)
    seen = top1(model, training.data.validation(), training.preparation)
    return Trained(weights, tuple(losses), seen)


def train_watched(training: Training, *, checkpoint: Path, watch: Watch) -> Trained | None:
    """Trains as ``train`` does, to the same bits, and validates after each epoch.

    Args:
        training: what to train.
        checkpoint: file of the state after the last finished epoch, with the curve so far.
        watch: told every epoch from the first, also those that the checkpoint brings; where it
            returns False, training ends.

    Returns:
        The trained network; None where ``watch`` ended it.

    Raises:
        BuildError: no validation images, or the loss is no longer a number.
    """
    part = training.data.validation()
    if not len(part.images):
        raise BuildError("the data has no validation images; set data.validation_fraction")
    model, loop = _prepared(training)
    losses, curve = loop.restore(checkpoint, watched=True)
    accuracy = Top1(model, part, training.preparation)
    for epoch in range(training.recipe.epochs):
        if epoch == len(losses):
            losses.append(loop.epoch(training.data.training(epoch), epoch))
            curve.append(accuracy.now())
            save_checkpoint(checkpoint, losses, loop.variables, curve)
        if not watch(epoch + 1, losses[epoch], curve[epoch]):
            return None
    weights = _weights(model, training.architecture)
    return Trained(weights, tuple(losses), curve[-1], tuple(curve))


def _prepared(training: Training) -> tuple[Any, "_Loop"]:
    """Returns the model with its first weights, and the loop that trains it."""
    architecture, recipe = training.architecture, training.recipe
    model = training_model(
        architecture, dropout=recipe.dropout, drop_connect=recipe.drop_connect,
        momentum=training.momentum, seed=recipe.seed,
    )  # fmt: skip
    check_parameters(model, architecture)
    set_weights(model, architecture, training.start)
    return model, _Loop(model, recipe, training.preparation)


def _weights(model: Any, architecture: Architecture) -> Weights:
    weights = weights_of(model, architecture)
    check_weights(weights, architecture)
    return weights


def learning_rate(recipe: TrainingRecipe, step: int, steps_per_epoch: int) -> float:
    """Returns the rate of one step: linear up over the warm-up, then half a cosine to zero."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    total = recipe.epochs * steps_per_epoch
    if step < warmup:
        return recipe.learning_rate * (step + 1) / max(1.0, warmup)
    done = (step - warmup) / (total - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


class _Loop:
    """Model, optimiser and the compiled step; state lives in their variables alone."""

    def __init__(self, model: Any, recipe: TrainingRecipe, preparation: Preparation) -> None:
        _, keras = import_tensorflow()
        self.recipe = recipe
        self.preparation = preparation
        self.optimiser = keras.optimizers.Adam(learning_rate=recipe.learning_rate)
        self.optimiser.build(model.trainable_variables)
        self.variables = [*model.variables, *self.optimiser.variables]
        self.step = _compiled_step(model, self.optimiser)
        self.pictures = _Pictures(preparation)

    def restore(self, path: Path, *, watched: bool = False) -> tuple[list[float], list[float]]:
        """Loads a checkpoint where there is one; returns losses and accuracies of its epochs.

        A watched training starts anew where the accuracies are missing.
        """
        state = load_checkpoint(path, self.variables)
        if state is None or (watched and len(state.curve) != len(state.losses)):
            return [], []
        for variable, array in zip(self.variables, state.arrays, strict=True):
            variable.assign(array)
        log.debug("training goes on after epoch %d", len(state.losses))
        return list(state.losses), list(state.curve)

    def epoch(self, part: LabelledImages, epoch: int) -> float:
        """Trains on every full batch of one epoch, in new order; returns the mean loss."""
        count = len(part.images)
        batch = min(self.recipe.batch_size, count)
        steps = count // batch
        random = np.random.RandomState([self.recipe.seed, epoch, 1])
        order = random.permutation(count)
        turns = random_turns(count, self.recipe, random)
        self.pictures.show(part)
        losses = []
        for number in range(steps):
            chosen = order[number * batch : (number + 1) * batch]
            rate = learning_rate(self.recipe, epoch * steps + number, steps)
            self.optimiser.learning_rate = rate
            pixels = np.stack([self._turned(int(index), turns) for index in chosen])
            losses.append(float(self.step(pixels, part.classes[chosen])))
        mean = float(np.mean(losses))
        if not math.isfinite(mean):
            raise BuildError(
                f"training: the loss is {mean} in epoch {epoch + 1}; lower"
                " learning_rate or raise warmup_epochs"
            )
        return mean

    def _turned(self, index: int, turns: Turns) -> Image:
        return turned(
            self.pictures.picture(index), turns, index,
            resolution=self.preparation.height, crop_fraction=self.preparation.crop_fraction,
        )  # fmt: skip


class _Pictures:
    """The reduced pictures of an epoch, kept while the next epoch has the same ones."""

    def __init__(self, preparation: Preparation) -> None:
        self.preparation = preparation
        self.part: LabelledImages | None = None
        self.kept: dict[int, Image] = {}
        self.kept_bytes = 0

    def show(self, part: LabelledImages) -> None:
        """Takes the pictures of the next epoch."""
        if part is not self.part:
            self.part, self.kept, self.kept_bytes = part, {}, 0

    def picture(self, index: int) -> Image:
        """Returns one picture, its crop at most twice the network's resolution."""
        if index in self.kept:
            return self.kept[index]
        if self.part is None:
            raise LookupError("no epoch is shown yet")
        picture = reduced(
            self.part.images[index],
            self.preparation.height,
            crop_fraction=self.preparation.crop_fraction,
        )
        if self.kept_bytes + picture.nbytes <= _LARGEST_CACHE_BYTES:
            self.kept[index] = picture
            self.kept_bytes += picture.nbytes
        return picture


def _compiled_step(model: Any, optimiser: Any) -> Any:
    tf, _ = import_tensorflow()

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def step(pixels: Any, classes: Any) -> Any:
        """One update; pixels uint8 (B, H, W, 3), classes int64 (B,)."""
        images = (tf.cast(pixels, tf.float32) - MEAN) / STD
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
            )
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply(gradients, model.trainable_variables)
        return loss

    return step
