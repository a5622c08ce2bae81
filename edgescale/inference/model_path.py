"""What is checked of a model's file before an interpreter sees it: its name and its device.

A runtime ends the process or speaks in riddles where a sentence is possible beforehand.
"""

import mmap
from pathlib import Path

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.errors import ModelFileError, NotForThisDevice


def check_name(model_path: Path) -> None:
    """Refuses a path that is not UTF-8, on which native runtimes may end the process.

    Raises:
        ModelFileError: the name cannot be handed over.
    """
    try:
        str(model_path).encode()
    except UnicodeEncodeError as problem:
        raise ModelFileError(
            f"{model_path}: this name is not UTF-8, which TFLite runtimes need; rename the file or"
            " folder"
        ) from problem


def check_made_for(model_path: Path, device: str) -> None:
    """Refuses a compiled model on the CPU and a CPU model on an Edge TPU, by the file's content.

    Raises:
        NotForThisDevice: model and device do not fit.
        ModelFileError: the file cannot be read.
    """
    compiled = is_compiled(model_path)
    if compiled and device == "cpu":
        raise not_for_cpu(model_path)
    if not compiled and device != "cpu":
        raise NotForThisDevice(
            f"{model_path}: not compiled for the Edge TPU, so '{device}' cannot run it; compile it"
            " with edgetpu_compiler, or use --device cpu"
        )


def is_compiled(model_path: Path) -> bool:
    """Says whether a model holds the Edge TPU's custom operator, whatever its name.

    Raises:
        ModelFileError: the file is missing or empty.
    """
    try:
        with (
            model_path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return content.find(COMPILED_OPERATOR.encode()) >= 0
    except (OSError, ValueError) as problem:  # ValueError: an empty file cannot be mapped
        raise ModelFileError(
            f"{model_path}: cannot be read ({problem}); give a .tflite file"
        ) from problem


def not_for_cpu(model_path: Path) -> NotForThisDevice:
    """Builds the error for a compiled model on the CPU."""
    return NotForThisDevice(
        f"{model_path}: compiled for the Edge TPU (it holds {COMPILED_OPERATOR}), so the CPU"
        " cannot run it; use --device auto or usb, or the model it was compiled from"
    )
