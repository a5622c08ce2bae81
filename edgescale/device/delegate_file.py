"""The Edge TPU library as a condition of a profile: another build of it is another speed."""

from pathlib import Path

from edgescale.device.libedgetpu import library_report
from edgescale.family.store import sha256_of
from edgescale.inference.worker import WorkerSettings


def library_sha256(settings: WorkerSettings) -> str | None:
    """Returns the sha256 of the Edge TPU library that a worker with these settings would load.

    Args:
        settings: with ``auto`` resolved; on the CPU no library is looked for.

    Returns:
        None on the CPU, and where the library or its file cannot be found.
    """
    if settings.device == "cpu":
        return None
    path = library_report(settings.edgetpu_library).path
    try:
        return None if path is None else sha256_of(Path(path))
    except OSError:
        return None
