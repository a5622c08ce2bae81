"""Training: it learns, it repeats to the bit, and a killed one ends the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.network import build_architecture
from edgescale.builder.calibration import representative_pictures
from edgescale.builder.data import LabelledImages
from edgescale.builder.network import scoring_model, set_weights
from edgescale.builder.quantise import check_quantised, quantise
from edgescale.builder.recipe import QuantisationRecipe, TrainingRecipe
from edgescale.builder.score import top_classes
from edgescale.builder.train import Trained, Training, Watch, train, train_watched
from edgescale.builder.weights import fresh_weights
from edgescale.errors import BuildError
from edgescale.family.manifest import Preparation
from edgescale.inference.evaluation import evaluate, with_model

pytestmark = pytest.mark.tensorflow

NETWORK = build_architecture(
    Baseline(
        "tiny",
        8,
        (parse_block("r2_k3_s11_e4_i8_o8_c1"), parse_block("r2_k3_s22_e4_i8_o12")),
        16,
        4,
        16,
        "relu",
    ),
    width=1,
    depth=1,
    resolution=16,
    classes=3,
)
RECIPE = TrainingRecipe(4, 16, 0.01, 1, 0.1, 0.2, 10, 0.1, 0.1, True, 5)
PREPARATION = Preparation(16, 16, 1.0, 127, 128, "uint8", 1 / 128, 127)


@dataclass(frozen=True)
class Colours:
    """Noisy pictures of three colours."""

    labels: tuple[str, ...] = ("red", "green", "blue")
    digest: str = "0" * 64

    def part(self, count: int, seed: int) -> LabelledImages:
        random = np.random.RandomState(seed)
        classes = np.arange(count) % 3
        pictures = random.randint(0, 120, (count, 24, 24, 3))
        pictures[np.arange(count), :, :, classes] += 100
        return LabelledImages(list(pictures.astype(np.uint8)), classes)

    def training(self, epoch: int) -> LabelledImages:
        return self.part(48, epoch)

    def validation(self) -> LabelledImages:
        return self.part(12, 1000)

    def test(self) -> LabelledImages:
        return self.part(30, 1001)


def trained(folder: Path, on_epoch: Callable[[int, float], None], **recipe: Any) -> Trained:
    training = Training(
        NETWORK, fresh_weights(NETWORK, 5), replace(RECIPE, **recipe), Colours(), PREPARATION, 0.9
    )
    return train(training, checkpoint=folder / "state.npz", on_epoch=on_epoch)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("whole"), lambda done, loss: None)


def test_the_loss_falls(whole: Trained) -> None:
    assert len(whole.losses) == 4
    assert whole.losses[-1] < 0.7 * whole.losses[0]
    assert whole.validation_top1 is not None


def test_a_killed_training_ends_bit_identical(whole: Trained, tmp_path: Path) -> None:
    seen: list[int] = []

    def killing(done: int, loss: float) -> None:
        seen.append(done)
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path, killing)
    resumed = trained(tmp_path, lambda done, loss: seen.append(done))
    assert seen == [1, 2, 3, 4]
    assert resumed.losses == whole.losses
    for name, array in whole.weights.items():
        assert np.array_equal(resumed.weights[name], array), name


def test_a_damaged_checkpoint_starts_anew(whole: Trained, tmp_path: Path) -> None:
    (tmp_path / "state.npz").write_bytes(b"half a file")
    assert trained(tmp_path, lambda done, loss: None).losses == whole.losses


def watched(folder: Path, watch: Watch) -> Trained | None:
    start = fresh_weights(NETWORK, 5)
    training = Training(NETWORK, start, RECIPE, Colours(), PREPARATION, 0.9)
    return train_watched(training, checkpoint=folder / "state.npz", watch=watch)


def test_a_watched_training_ends_in_the_same_bits_and_keeps_its_curve(
    whole: Trained, tmp_path: Path
) -> None:
    seen: list[tuple[int, float, float]] = []

    def killing(done: int, loss: float, accuracy: float) -> bool:
        if done == 3:
            raise Killed
        return True

    def seeing(done: int, loss: float, accuracy: float) -> bool:
        seen.append((done, loss, accuracy))
        return True

    with pytest.raises(Killed):
        watched(tmp_path, killing)
    resumed = watched(tmp_path, seeing)
    assert resumed is not None
    assert resumed.losses == whole.losses
    assert resumed.validation_top1 == resumed.validation_curve[-1] == whole.validation_top1
    assert seen == list(zip((1, 2, 3, 4), resumed.losses, resumed.validation_curve, strict=True))
    for name, array in whole.weights.items():
        assert np.array_equal(resumed.weights[name], array), name


def test_a_watched_training_can_be_ended_early(tmp_path: Path) -> None:
    seen: list[int] = []

    def ending(done: int, loss: float, accuracy: float) -> bool:
        seen.append(done)
        return done < 2

    assert watched(tmp_path, ending) is None
    assert seen == [1, 2]


def test_a_watched_training_starts_anew_from_a_checkpoint_without_a_curve(
    whole: Trained, tmp_path: Path
) -> None:
    def killing(done: int, loss: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        trained(tmp_path, killing)
    result = watched(tmp_path, lambda done, loss, accuracy: True)
    assert result is not None
    assert (result.losses, len(result.validation_curve)) == (whole.losses, 4)


def test_another_seed_trains_another_network(whole: Trained, tmp_path: Path) -> None:
    other = trained(tmp_path, lambda done, loss: None, seed=6, epochs=2)
    assert other.losses[0] != whole.losses[0]


def test_a_loss_that_is_no_number_is_one_sentence(tmp_path: Path) -> None:
    training = Training(
        NETWORK,
        fresh_weights(NETWORK, 5),
        replace(RECIPE, learning_rate=1e9, warmup_epochs=0),
        Colours(),
        PREPARATION,
        0.9,
    )
    with pytest.raises(BuildError, match="lower learning_rate"):
        train(training, checkpoint=tmp_path / "state.npz", on_epoch=lambda done, loss: None)


def test_the_int8_model_is_full_int8_and_agrees_with_float(whole: Trained, tmp_path: Path) -> None:
    path, data = tmp_path / "model.tflite", Colours()
    recipe = QuantisationRecipe("training", 24, 0)
    written = quantise(NETWORK, whole.weights, recipe=recipe, data=data,
                       preparation=PREPARATION, path=path)  # fmt: skip
    assert (written.inputs[0].scales, written.inputs[0].zero_points) == ((1 / 128,), (127,))
    assert written.inputs[0].shape == (1, 16, 16, 3)
    assert written.per_channel_dense == ()
    assert written.ends_in_softmax
    assert not written.compiled
    assert written.macs == sum(layer.macs for layer in NETWORK.layers)
    model = scoring_model(NETWORK)
    set_weights(model, NETWORK, whole.weights)
    test = data.test()
    floats = top_classes(model, test, PREPARATION, 1)[:, 0]
    samples = ((image, int(c)) for image, c in zip(test.images, test.classes, strict=True))
    found = evaluate(with_model(path, PREPARATION), samples, float_top1=floats.tolist())
    assert np.mean([a[0] == b for a, b in zip(found.int8_top5, floats, strict=True)]) >= 0.9
    with pytest.raises(BuildError, match="its shapes are"):
        check_quantised(written, resolution=16, classes=4)


def test_without_both_extremes_the_input_scale_would_be_another(
    whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgescale.builder import quantise as module

    grey = [np.full((1, 16, 16, 3), value, np.float32) for value in (-0.5, 0.5)]
    monkeypatch.setattr(module, "representative_dataset", lambda pictures, preparer: iter(grey))
    with pytest.raises(BuildError, match="not 1/128 and 127"):
        quantise(NETWORK, whole.weights, recipe=QuantisationRecipe("training", 2, 0),
                 data=Colours(), preparation=PREPARATION, path=tmp_path / "m.tflite")  # fmt: skip


def test_calibration_takes_training_pictures() -> None:
    pictures = list(representative_pictures(QuantisationRecipe("training", 10, 0), Colours()))
    training = {image.tobytes() for image in Colours().training(0).images}
    assert len(pictures) == 10
    assert all(picture.tobytes() in training for picture in pictures)
