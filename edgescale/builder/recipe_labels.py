"""The class names of a family without data: a file of one name a line, or the ImageNet ones."""

from importlib.resources import files
from pathlib import Path

from edgescale.builder.recipe import LABEL_SETS
from edgescale.errors import RecipeError
from edgescale.family.fields import Fields
from edgescale.family.manifest import MOST_LABELS

_LARGEST_FILE_BYTES = 16 * 2**20
_LONGEST_LABEL = 1_000


def read_labels(fields: Fields | None, home: Path) -> tuple[tuple[str, ...] | None, str | None]:
    """Returns the labels and where they came from, as written; both None without the table.

    Raises:
        RecipeError: both or neither source named, or a file that is no list of names.
    """
    if fields is None:
        return None, None
    known = fields.text("set", None, choices=LABEL_SETS)
    written = fields.text("file", None, longest=1_000)
    fields.close()
    if (known is None) == (written is None):
        raise RecipeError(
            f'{fields.where}: give either set = "imagenet" or file = a text file'
            " with one class name a line"
        )
    if known is not None:
        return imagenet_labels(), known
    return _read(home / written), written


def imagenet_labels() -> tuple[str, ...]:
    """Returns the 1,000 ImageNet class names, in the order of their WordNet ids."""
    text = files("edgescale.builder").joinpath("imagenet_labels.txt").read_text("utf-8")
    return tuple(text.splitlines())


def _read(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise RecipeError(f"{path}: larger than 16 MiB, which no list of labels is")
        lines = path.read_text("utf-8").splitlines()
    except OSError as problem:
        raise RecipeError(f"{path}: the labels cannot be read ({problem.strerror})") from problem
    except ValueError as problem:
        raise RecipeError(f"{path}: the labels are not UTF-8 text") from problem
    labels = tuple(line.strip() for line in lines)
    if not 2 <= len(labels) <= MOST_LABELS or not all(labels):
        raise RecipeError(
            f"{path}: expected 2 to {MOST_LABELS} class names, one a line, none empty"
        )
    if max(map(len, labels)) > _LONGEST_LABEL:
        raise RecipeError(f"{path}: a class name is longer than {_LONGEST_LABEL} characters")
    return labels
