"""Images with their classes on disk: a folder per class, or a ``labels.csv``.

Class names of foreign sets rarely equal the labels letter for letter (``great_white_shark``,
``great white shark, white shark, ...``), so they are compared without case and punctuation, and
whatever stays ambiguous is refused rather than guessed.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import DataError
from edgescale.family.fields import did_you_mean
from edgescale.family.places import is_dir, is_file
from edgescale.inference.image_file import image_files, read_image
from edgescale.inference.preparation import Image

LABELS_CSV = "labels.csv"
_MOST_IMAGES = 10_000_000


@dataclass(frozen=True)
class LabelledImage:
    """An image file and the index of its label."""

    path: Path
    class_index: int


class Vocabulary:
    """Finds the index of a label by its text or its first synonym."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self._exact = {label: index for index, label in enumerate(labels)}
        self._near: dict[str, set[int]] = {}
        for index, label in enumerate(labels):
            for form in (label, label.partition(",")[0]):
                self._near.setdefault(_plain(form), set()).add(index)

    def candidates(self, text: str) -> set[int]:
        """Returns the indices of all labels the text may mean."""
        if text in self._exact and self.labels.count(text) == 1:
            return {self._exact[text]}
        return self._near.get(_plain(text), set())

    def index(self, text: str, where: str) -> int:
        """Returns the one index the text means.

        Raises:
            DataError: none or several; the message names the nearest label.
        """
        found = self.candidates(text)
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise DataError(
                f"{where}: '{text}' may be any of the classes {sorted(found)}; give the class"
                f" index in a {LABELS_CSV}"
            )
        known = self.labels if len(self.labels) <= 20 else ()
        near = did_you_mean(text, self.labels) if not known else did_you_mean(text, known)
        hint = near if near.startswith(", did") or known else ""
        raise DataError(f"{where}: '{text}' is none of the {len(self.labels)} labels{hint}")


def labelled_images(folder: Path, labels: Sequence[str]) -> tuple[LabelledImage, ...]:
    """Lists the images of a folder with their classes; decodes none.

    The folder holds a ``labels.csv`` with the column ``file`` and ``class_index`` or ``label`` or
    both, or else a folder per class named like its label.

    Raises:
        DataError: no such folder, unknown or contradicting classes, or no images.
    """
    if not is_dir(folder, DataError):
        raise DataError(
            f"{folder}: no such folder; give one with {LABELS_CSV} or a folder of images per class"
        )
    vocabulary = Vocabulary(labels)
    table = folder / LABELS_CSV
    images = tuple(_from_csv(table, vocabulary) if is_file(table, DataError) else
                   _from_folders(folder, vocabulary))  # fmt: skip
    if not images:
        raise DataError(f"{folder}: no images; fill it, or give another folder")
    return images


def read_samples(images: Iterable[LabelledImage]) -> Iterator[tuple[Image, int]]:
    """Decodes the images one after the other: uint8 (H, W, 3) RGB and class index.

    Raises:
        DataError: an image is missing or cannot be decoded.
    """
    for image in images:
        yield read_image(image.path), image.class_index


def _from_folders(folder: Path, vocabulary: Vocabulary) -> Iterator[LabelledImage]:
    try:
        parts = sorted(folder.iterdir())
    except OSError as problem:
        raise DataError(f"{folder}: cannot be read ({problem.strerror})") from problem
    for part in parts:
        if part.name.startswith(".") or not is_dir(part, DataError):
            continue
        found = image_files(part)
        if not found:
            raise DataError(f"{part}: no images of this class; add some or remove the folder")
        index = vocabulary.index(part.name, str(part))
        yield from (LabelledImage(path, index) for path in found)


def _from_csv(table: Path, vocabulary: Vocabulary) -> Iterator[LabelledImage]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = set(rows.fieldnames or ())
            if "file" not in columns or not columns & {"class_index", "label"}:
                raise DataError(
                    f"{table}: needs the column 'file' and 'class_index' or 'label', has"
                    f" {', '.join(sorted(columns)) or 'none'}"
                )
            for row in rows:
                where = f"{table}: line {rows.line_num}"
                yield LabelledImage(_file(table, row, where), _class_of(row, vocabulary, where))
    except (OSError, ValueError, csv.Error) as problem:
        raise DataError(f"{table}: cannot be read as a table ({problem})") from problem


def _file(table: Path, row: dict[str, str | None], where: str) -> Path:
    name = row.get("file")
    path = table.parent / (name or "")
    if not name or not is_file(path, DataError):
        raise DataError(f"{where}: no such file '{name or ''}'; its path goes from the table's")
    return path


def _class_of(row: dict[str, str | None], vocabulary: Vocabulary, where: str) -> int:
    index_text, label = row.get("class_index"), row.get("label")
    if not index_text:
        if not label:
            raise DataError(f"{where}: neither class_index nor label")
        return vocabulary.index(label, where)
    if not re.fullmatch(r"\d{1,9}", index_text) or int(index_text) >= len(vocabulary.labels):
        raise DataError(
            f"{where}: class_index '{index_text}' is no whole number from 0 to"
            f" {len(vocabulary.labels) - 1}, the last label"
        )
    index = int(index_text)
    named = vocabulary.candidates(label) if label else set()
    if named and index not in named:
        raise DataError(
            f"{where}: class_index {index} is '{vocabulary.labels[index]}', but the label says"
            f" '{label}' (class {min(named)}); use the labels this table was made for"
        )
    return index


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
