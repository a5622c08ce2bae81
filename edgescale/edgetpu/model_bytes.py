"""The bytes of a ``.tflite`` file, or one sentence on why there are none to read.

Apart from the reader of their tables, so that every limit of a file itself stands in one place.
"""

import stat
from pathlib import Path

from edgescale.errors import ModelFileError
from edgescale.units import MIB

IDENTIFIER = b"TFL3"
# The file is read whole, not mapped: a file that another program shortens while it is mapped ends
# this one with SIGBUS, without a sentence. So it must fit in memory. An Edge TPU runs full int8,
# whose largest classifier that anyone published for it is VGG16 with 138 MB.
LARGEST_FILE_BYTES = 256 * MIB


def model_bytes(path: Path) -> bytes:
    """Reads a ``.tflite`` file whole.

    Raises:
        ModelFileError: missing, no regular file, empty, too large, or not a TFLite model.
    """
    try:
        content = _read(path)
    except OSError as problem:
        raise ModelFileError(
            f"{path}: cannot be read ({problem.strerror}); give a .tflite file"
        ) from problem
    if not content:
        raise ModelFileError(f"{path}: the file is empty; copy or convert it again")
    if len(content) < 16 or content[4:8] != IDENTIFIER:
        raise ModelFileError(
            f"{path}: not a TFLite model (bytes 4 to 8 are not 'TFL3'); give a .tflite file"
        )
    return content


def _read(path: Path) -> bytes:
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
        raise ModelFileError(f"{path}: no regular file; give a .tflite file")
    if facts.st_size > LARGEST_FILE_BYTES:
        raise ModelFileError(
            f"{path}: {facts.st_size:,} bytes, more than the {LARGEST_FILE_BYTES // MIB} MiB that"
            " edgescale reads; a classifier for the Edge TPU is smaller in full int8: convert it so"
        )
    with path.open("rb") as file:
        return file.read(facts.st_size)  # no more, should it grow meanwhile
