"""Runs the demo twice and prints what it cost: CPU seconds of all its processes, and accuracies.

    python tools/measure_demo.py [--out demo-out]

The first run starts from an empty folder; the second one skips every finished stage.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgescale.family.store import load_family
from edgescale.units import percent


def cpu_and_wall_seconds(out: Path) -> tuple[float, float]:
    """Runs the demo and returns CPU seconds of it and its children, and wall seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "edgescale", "demo", "--out", out], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return cpu, time.monotonic() - start


def main() -> None:
    """Prints one line a run and one a variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="an empty or missing folder; default temporary")
    asked = parser.parse_args().out
    with tempfile.TemporaryDirectory() as temporary:
        out = asked or Path(temporary) / "demo"
        if out.exists() and any(out.iterdir()):
            sys.exit(f"{out} is not empty: the first run must start from nothing")
        print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python"
              f" {platform.python_version()}; load {os.getloadavg()[0]:.1f}")  # fmt: skip
        for number in (1, 2):
            cpu, wall = cpu_and_wall_seconds(out)
            print(f"run {number}: {cpu:.0f} CPU-s, {wall:.0f} s wall")
        for variant in load_family(out / "families" / "cluttered-digits").manifest.variants:
            accuracy = variant.accuracy
            if accuracy is not None and accuracy.float_top1 is not None:
                print(f"{variant.name}: int8 {percent(accuracy.int8_top1)},"
                      f" float {percent(accuracy.float_top1)}, n={accuracy.n}")  # fmt: skip


if __name__ == "__main__":
    main()
