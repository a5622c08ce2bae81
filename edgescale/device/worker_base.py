"""The child process that weighs a worker without a model: it loads what a worker loads, no more.

A module of its own that imports as little as it can, because whatever it imported would be weighed
too: it reads its own peak from the kernel, and says nothing where the kernel keeps none.
"""

import sys
from typing import Any

_STATUS = "/proc/self/status"


def main(settings: dict[str, Any]) -> None:
    """Prints the peak memory of this process in bytes; a runtime that is missing ends it."""
    from edgescale.inference import worker_process
    from edgescale.inference.runtime import choose_runtime

    loaded = (worker_process, choose_runtime(settings["runtime"]))
    with open(_STATUS, encoding="ascii") as status:  # noqa: PTH123 - pathlib would be weighed
        peaks = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    sys.stdout.write(f"\n{1024 * int(peaks[0]) if all(loaded) else 0}")
