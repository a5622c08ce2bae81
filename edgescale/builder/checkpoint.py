"""The state of a training after an epoch, so that a killed one goes on from there.

It holds every variable of model and optimiser, the states of their random generators included:
a training that was killed ends bit-identical to one that was not.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgescale.family.store import write_bytes


@dataclass(frozen=True)
class Checkpoint:
    """Finished epochs, the mean loss of each, and the arrays of all variables in their order.

    ``curve`` holds the validation accuracy after each epoch, where each epoch was validated.
    """

    losses: tuple[float, ...]
    arrays: tuple[NDArray[Any], ...]
    curve: tuple[float, ...] = ()


def save_checkpoint(
    path: Path, losses: Sequence[float], variables: Sequence[Any], curve: Sequence[float] = ()
) -> None:
    """Writes the state atomically."""
    arrays = {f"variable{index}": np.asarray(value) for index, value in enumerate(variables)}
    told = {"losses": losses, **({"curve": curve} if curve else {})}
    arrays.update({name: np.array(values, np.float64) for name, values in told.items()})
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, variables: Sequence[Any]) -> Checkpoint | None:
    """Reads the state; None where there is none that fits these variables."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            losses = tuple(float(loss) for loss in file["losses"])
            curve = tuple(float(value) for value in file["curve"]) if "curve" in file else ()
            told = 2 if curve else 1
            arrays = tuple(file[f"variable{index}"] for index in range(len(file.files) - told))
    except (OSError, ValueError, BadZipFile, EOFError, KeyError):
        return None  # absent or damaged: training starts anew, which is slower and not wrong
    shapes = [tuple(variable.shape) for variable in variables]
    fits = [array.shape for array in arrays] == shapes
    return Checkpoint(losses, arrays, curve) if fits else None
