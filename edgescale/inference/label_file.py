"""Reads label files as they come with models: one a line, ``id label`` or ``id:label``."""

import re
import stat
from pathlib import Path

from edgescale.errors import DataError
from edgescale.family.manifest import MOST_LABELS

_LARGEST_BYTES = 64 * 2**20
_LONGEST_LABEL = 1_000
_WITH_ID = re.compile(r"\s*(\d{1,9})(?:\s*:\s*|\s+)(\S.*)")


def read_labels(path: Path) -> tuple[str, ...]:
    """Returns the labels in the order of the model's outputs.

    Raises:
        DataError: unreadable, empty, or with ids that leave gaps.
    """
    lines = _lines(path)
    found = [_WITH_ID.fullmatch(line) for line in lines]
    labels = [line.strip() for line in lines]
    matches = [match for match in found if match is not None]
    if len(matches) == len(lines):
        ids = [int(match[1]) for match in matches]
        first = min(ids)
        if sorted(ids) != list(range(first, first + len(ids))) or first > 1:
            raise DataError(
                f"{path}: the ids before the labels leave gaps or repeat; they must count up from"
                " 0 or 1"
            )
        labels = [match[2].strip() for _, match in sorted(zip(ids, matches, strict=True))]
    for number, label in enumerate(labels, 1):
        if not label or len(label) > _LONGEST_LABEL:
            raise DataError(
                f"{path}: line {number} is empty or longer than {_LONGEST_LABEL} characters; give"
                " one label a line"
            )
    return tuple(labels)


def _lines(path: Path) -> list[str]:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise DataError(f"{path}: no regular file; give the file with the model's labels")
        if facts.st_size > _LARGEST_BYTES:
            raise DataError(f"{path}: larger than {_LARGEST_BYTES} bytes, which no label file is")
        lines = path.read_text("utf-8-sig").rstrip().splitlines()
    except OSError as problem:
        raise DataError(
            f"{path}: cannot be read ({problem.strerror}); give the file with the model's labels"
        ) from problem
    except ValueError as problem:
        raise DataError(f"{path}: not a text file in UTF-8; save the labels as UTF-8") from problem
    if not lines or len(lines) > MOST_LABELS:
        raise DataError(f"{path}: {len(lines)} labels; 1 to {MOST_LABELS} are possible")
    return lines
