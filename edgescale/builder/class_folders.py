"""Labelled images in folders: listed, split by a seed where they train, decoded when used."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np

from edgescale.builder.data import LabelledImages
from edgescale.builder.recipe import DataRecipe
from edgescale.errors import DataError
from edgescale.family.manifest import MOST_LABELS
from edgescale.family.store import sha256_of
from edgescale.inference.image_file import image_files, read_image
from edgescale.inference.labelled import labelled_images
from edgescale.inference.preparation import Image

_FEWEST_IMAGES = 3  # one for each part
_VERSION = "class-folders 1"  # goes up when another split would come out


class ImageFiles(Sequence[Image]):
    """Pictures decoded when they are asked for, so that a large folder needs no memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> "ImageFiles": ...
    def __getitem__(self, index: int | slice) -> "Image | ImageFiles":
        """Decodes one picture, uint8 (H, W, 3) RGB, or returns a part of the sequence."""
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        return read_image(self.paths[index])


@dataclass(frozen=True)
class ClassFolders:
    """The images of each class, sorted by class and name."""

    folder: Path
    labels: tuple[str, ...]
    paths: tuple[tuple[Path, ...], ...]  # per class
    recipe: DataRecipe

    @classmethod
    def scan(cls, folder: Path, recipe: DataRecipe) -> "ClassFolders":
        """Lists the images of each class folder.

        Raises:
            DataError: no folder, fewer than two classes, a class with too few images or a
                name that is not UTF-8.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; it must hold a folder of images per class")
        try:
            classes = sorted(path for path in folder.iterdir()
                             if path.is_dir() and not path.name.startswith("."))  # fmt: skip
        except OSError as problem:
            raise DataError(f"{folder}: cannot be read ({problem.strerror})") from problem
        if not 2 <= len(classes) <= MOST_LABELS:
            raise DataError(
                f"{folder}: holds {len(classes)} class folder(s); at least two are"
                " needed, each with images of one class"
            )
        for path in classes:
            _check_name(path)
        paths = tuple(tuple(image_files(path)) for path in classes)
        for path, images in zip(classes, paths, strict=True):
            if len(images) < _FEWEST_IMAGES:
                raise DataError(
                    f"{path}: holds {len(images)} image(s); a class needs at least"
                    f" {_FEWEST_IMAGES}, add some or remove the folder"
                )
        return cls(folder, tuple(path.name for path in classes), paths, recipe)

    @cached_property
    def digest(self) -> str:
        """Digest of every file's name and content, and of how they are split.

        Raises:
            DataError: a file cannot be read.
        """
        digest = hashlib.sha256(f"{_VERSION} {self._split_facts}".encode())
        for images in self.paths:
            for path in images:
                name = path.relative_to(self.folder).as_posix()
                sha256 = _sha256_of(path)
                digest.update(b"\n%d %s %s" % (len(name), os.fsencode(name), sha256.encode()))
        return digest.hexdigest()

    def check_images(self) -> None:
        """Decodes every image once, so that a broken one is named before hours of training.

        Raises:
            DataError: one cannot be decoded.
        """
        for images in self.paths:
            for path in images:
                read_image(path)

    @property
    def _split_facts(self) -> tuple[float, float, int]:
        return self.recipe.validation_fraction, self.recipe.test_fraction, self.recipe.seed

    def training(self, epoch: int) -> LabelledImages:
        """Returns the training images, the same in every epoch."""
        return self._parts[0]

    def validation(self) -> LabelledImages:
        """Returns the validation images."""
        return self._parts[1]

    def test(self) -> LabelledImages:
        """Returns the held-out images."""
        return self._parts[2]

    @cached_property
    def _parts(self) -> tuple[LabelledImages, ...]:
        """Splits every class in the same ratio, at least one image to training and to test."""
        random = np.random.RandomState(self.recipe.seed)
        parts: tuple[list[tuple[Path, int]], ...] = ([], [], [])
        for index, images in enumerate(self.paths):
            count = len(images)
            tests = max(1, round(count * self.recipe.test_fraction))
            validations = min(round(count * self.recipe.validation_fraction), count - tests - 1)
            order = random.permutation(count)
            bounds = (tests + validations, count), (tests, tests + validations), (0, tests)
            for part, (low, high) in zip(parts, bounds, strict=True):
                part += [(images[place], index) for place in sorted(order[low:high])]
        return tuple(_labelled(part) for part in parts)


def evaluation_images(folder: Path, labels: Sequence[str]) -> LabelledImages:
    """Returns all images of a labelled folder: ``labels.csv``, or a folder per class.

    Raises:
        DataError: no such folder, unknown classes, or no images.
    """
    return _labelled([(image.path, image.class_index) for image in labelled_images(folder, labels)])


def evaluation_digest(folder: Path, labels: Sequence[str]) -> str:
    """Returns a digest of the images of a labelled folder and their classes."""
    digest = hashlib.sha256()
    for image in labelled_images(folder, labels):
        digest.update(f"{image.class_index} {_sha256_of(image.path)}\n".encode())
    return digest.hexdigest()


def _check_name(path: Path) -> None:
    """Refuses a folder whose name cannot be a label: labels are text.

    Raises:
        DataError: the name is not UTF-8.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError as problem:
        raise DataError(
            f"{path.parent}: the class folder {path.name!a} has a name that is not UTF-8; rename it"
        ) from problem


def _sha256_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as problem:
        raise DataError(
            f"{path}: cannot be read ({problem.strerror or problem}); replace or remove it"
        ) from problem


def _labelled(part: list[tuple[Path, int]]) -> LabelledImages:
    return LabelledImages(
        ImageFiles([path for path, _ in part]), np.array([index for _, index in part], np.int64)
    )
