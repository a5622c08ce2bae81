"""Names of files that are made while a run goes on: UTC time, then foreign text made harmless.

Labels and source names may hold anything: a slash, a line feed, the end of the allowed length.
"""

from datetime import datetime, timezone
from pathlib import Path

from edgescale.errors import SinkFailed

PREFIX = "edgescale"
_LONGEST_PART_BYTES = 60


def stamped(now_s: float, *parts: str, suffix: str) -> str:
    """Returns e.g. ``edgescale_20260131T120000.250Z_front_water_bottle.jpg``.

    Args:
        now_s: seconds since 1970, UTC.
        parts: foreign text; empty ones are left out.
        suffix: of the file, with its dot.
    """
    moment = datetime.fromtimestamp(now_s, timezone.utc)
    stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"
    return "_".join([PREFIX, stamp, *(file_part(part) for part in parts if part)]) + suffix


def file_part(text: str) -> str:
    """Returns text of letters and digits of any script, ``-`` and ``_``, at most 60 bytes long."""
    safe = "".join(char if char.isalnum() or char == "-" else "_" for char in text).strip("_")
    return safe.encode()[:_LONGEST_PART_BYTES].decode(errors="ignore") or "unnamed"


def own_folder(folder: Path) -> Path:
    """Makes a folder for files of ours, where it is not there yet.

    Raises:
        SinkFailed: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SinkFailed(
            f"{folder}: no folder can be made there ({problem.strerror}); name another one"
        ) from problem
    return folder


def unused(path: Path) -> Path:
    """Returns the path, or with -2, -3, ... where a file has that name already."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found
