"""Results of stages on disk: a folder per stage with its key, complete or absent.

A stage writes into a folder of its own that gets its name at the end. A result counts only if its
key is the one asked for and every file is still what was written, so a killed or half-deleted
build is seen and that stage runs again.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgescale.errors import BuildError
from edgescale.family.store import sha256_of, write_json

BUILD_FOLDER = ".build"
_RESULT_FILE = "result.json"
_UNFINISHED = ".unfinished-"
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.part")  # as partial_beside names them


def stage_folder(family: Path, variant: str, stage: str) -> Path:
    """Returns where the result of one stage lies."""
    return family / BUILD_FOLDER / variant / stage


def is_finished(folder: Path, key: str) -> bool:
    """Says whether the result is there for this key, with every file as it was written."""
    try:
        record = json.loads((folder / _RESULT_FILE).read_text("utf-8"))
        files = record["files"].items()
        return record["key"] == key and all(sha256_of(folder / n) == sha for n, sha in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # absent or damaged alike: the stage runs again


@contextmanager
def finishing(folder: Path, key: str) -> Iterator[Path]:
    """Gives an empty folder to write into, which becomes the result when the block ends well.

    Raises:
        BuildError: the folder cannot be written.
    """
    unfinished = folder.with_name(f"{_UNFINISHED}{folder.name}")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield unfinished
        files = {path.name: sha256_of(path) for path in sorted(unfinished.iterdir())}
        write_json(unfinished / _RESULT_FILE, {"key": key, "files": files})
        # A folder cannot replace a full one: the old one goes first, and a kill in between costs
        # this stage only.
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except OSError as problem:
        raise BuildError(
            f"{folder}: cannot be written ({problem.strerror or problem}); choose a"
            " folder you may write to, with space left"
        ) from problem


def remove_unfinished(family: Path) -> None:
    """Removes what killed builds left half-written; checkpoints stay."""
    for path in (family / BUILD_FOLDER).glob(f"*/{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    for pattern in ("", f"{BUILD_FOLDER}/*/", "variants/*/", "models/"):
        for path in family.glob(f"{pattern}.*.part"):
            own = _PARTIAL.fullmatch(path.name) and path.parent.resolve() == (
                family.resolve() / path.parent.relative_to(family)
            )  # no link was followed
            with suppress(OSError):
                if own:
                    path.unlink()
