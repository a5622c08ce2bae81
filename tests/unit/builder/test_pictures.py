"""Pictures on their way into the network: normalised, turned, and chosen for calibration."""

import itertools
import re
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from edgescale.builder.augment import Turns, random_turns, reduced, turned
from edgescale.builder.calibration import representative_dataset, representative_pictures
from edgescale.builder.photos import photo_crops
from edgescale.builder.pixels import normalised
from edgescale.builder.recipe import QuantisationRecipe, TrainingRecipe
from edgescale.errors import DataError
from edgescale.family.manifest import Preparation
from edgescale.inference.preparation import Image, Preparer

RECIPE = TrainingRecipe(2, 4, 0.01, 1, 0, 0, 10, 0.1, 0.1, True, 0)
STILL = replace(RECIPE, rotate_deg=0, scale=0, shift=0, flip=False)
needs_photos = pytest.mark.skipif(
    find_spec("skimage") is None, reason="scikit-image is not installed (extra 'demo')"
)


def noise(height: int, width: int) -> Image:
    random = np.random.RandomState(1)
    return random.randint(0, 256, (height, width, 3)).astype(np.uint8)


def still(count: int) -> Turns:
    return random_turns(count, STILL, np.random.RandomState(0))


def test_every_pixel_value_has_an_int8_step_of_its_own() -> None:
    real = normalised(np.arange(256, dtype=np.uint8))
    assert real[0] == -127 / 128
    assert real[127] == 0
    assert np.array_equal(real * 128 + 127, np.arange(256))


@pytest.mark.parametrize(("height", "width"), [(40, 40), (50, 64), (100, 90), (200, 333)])
@pytest.mark.parametrize("crop_fraction", [1.0, 0.875])
def test_without_turns_training_sees_what_the_live_path_sees(
    height: int, width: int, crop_fraction: float
) -> None:
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(6 * rows / height), np.cos(9 * columns / width), np.sin(columns / width + 1)]
    picture = (127 + 120 * np.stack(waves, axis=2)).astype(np.uint8)
    preparation = Preparation(32, 32, crop_fraction, 127, 128, "uint8", 1 / 128, 127)
    live = Preparer(preparation).prepared(picture, bgr=False)
    small = reduced(picture, 32, crop_fraction=crop_fraction)
    seen = turned(small, still(1), 0, resolution=32, crop_fraction=crop_fraction)
    difference = np.abs(live.astype(int) - seen)
    assert seen.shape == live.shape
    assert difference.max() < 24  # half pixels of a rounded crop box; no shift and no flip
    assert difference.mean() < 6


@pytest.mark.parametrize(("size", "crop_fraction"), [(500, 0.875), (500, 0.5), (480, 0.875)])
def test_training_pictures_are_as_sharp_as_live_ones(size: int, crop_fraction: float) -> None:
    picture = noise(size, size)
    preparation = Preparation(224, 224, crop_fraction, 127, 128, "uint8", 1 / 128, 127)
    live = Preparer(preparation).prepared(picture, bgr=False)
    small = reduced(picture, 224, crop_fraction=crop_fraction)
    seen = turned(small, still(1), 0, resolution=224, crop_fraction=crop_fraction)
    assert seen.std() == pytest.approx(live.std(), rel=0.1)


def test_whole_pictures_are_halved_down_to_twice_the_resolution() -> None:
    assert reduced(noise(129, 129), 32, crop_fraction=1.0).shape == (64, 64, 3)
    assert reduced(noise(64, 64), 32, crop_fraction=1.0).shape == (64, 64, 3)


def test_at_the_same_size_nothing_changes() -> None:
    picture = noise(32, 32)
    assert np.array_equal(turned(picture, still(1), 0, resolution=32, crop_fraction=1), picture)


def test_a_mirrored_picture_is_mirrored() -> None:
    picture = noise(32, 32)
    turns = replace(still(1), mirror=np.array([-1.0]))
    seen = turned(picture, turns, 0, resolution=32, crop_fraction=1)
    assert np.array_equal(seen, picture[:, ::-1])


def test_a_shift_moves_by_that_part_of_the_output() -> None:
    picture = noise(32, 32)
    turns = replace(still(1), shift=np.array([[0.25, 0.0]]))
    seen = turned(picture, turns, 0, resolution=32, crop_fraction=1)
    assert np.array_equal(seen[:, 8:], picture[:, :24])


def test_turns_stay_within_the_recipe_and_repeat() -> None:
    turns = random_turns(500, RECIPE, np.random.RandomState(0))
    assert np.abs(turns.angle_rad).max() <= np.deg2rad(10)
    assert np.abs(turns.zoom - 1).max() <= 0.1
    assert np.abs(turns.shift).max() <= 0.1
    assert 0.4 < (turns.mirror < 0).mean() < 0.6
    again = random_turns(500, RECIPE, np.random.RandomState(0))
    assert np.array_equal(turns.angle_rad, again.angle_rad)


@needs_photos
def test_photo_crops_are_many_different_and_repeatable() -> None:
    crops = list(photo_crops(60, seed=0))
    assert len({crop.tobytes() for crop in crops}) == 60
    assert all(crop.shape[0] == crop.shape[1] >= 40 for crop in crops)
    again = photo_crops(60, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(crops, again, strict=True))
    other = next(iter(photo_crops(1, seed=1)))
    assert other.shape != crops[0].shape or not np.array_equal(other, crops[0])


@needs_photos
def test_calibration_ends_with_a_picture_that_holds_both_extremes() -> None:
    recipe = QuantisationRecipe("skimage-photos", 3, 0)
    preparer = Preparer(Preparation(24, 24, 1, 127, 128, "uint8", 1 / 128, 127))
    inputs = list(representative_dataset(representative_pictures(recipe, None), preparer))
    assert [array.shape for array in inputs] == [(1, 24, 24, 3)] * 4
    assert (inputs[-1].min(), inputs[-1].max()) == (-127 / 128, 1)


def test_missing_photos_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgescale.builder.packages.find_spec", lambda _: None)
    with pytest.raises(DataError, match=re.escape("pip install 'edgescale[demo]'")):
        list(itertools.islice(photo_crops(1, 0), 1))
