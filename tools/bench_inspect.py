"""CPU seconds of ``edgescale inspect`` and ``lint`` on files; exit 1 above 0.3 s.

Each run is a process of its own, start-up included, as in ``bench_plan``.

    python -m tools.bench_inspect FILE.tflite ... [--runs 5]
"""

import argparse
import os
import platform
import statistics
import sys
from pathlib import Path

from edgescale.edgetpu.package import find_compiled
from tools.bench_plan import cpu_seconds

MOST_S = 0.3


def main() -> int:
    """Measures both verbs on every file and says which are over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.tflite")
    parser.add_argument("--runs", type=int, default=5, help="processes per case")
    flags = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    over = False
    for path in flags.files:
        compiled = find_compiled(path) is not None  # lint has nothing to judge in such a file
        for verb in ("inspect",) if compiled else ("inspect", "lint"):
            seconds = [cpu_seconds([verb, str(path)]) for _ in range(flags.runs)]
            median = statistics.median(seconds)
            over = over or median > MOST_S
            print(f"{verb:8} {path.name} ({path.stat().st_size / 1e6:.1f} MB):"
                  f" {median:.3f} s CPU (median of {flags.runs}, {min(seconds):.3f} to"
                  f" {max(seconds):.3f}), at most {MOST_S} s")  # fmt: skip
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
