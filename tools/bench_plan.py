"""CPU seconds of ``edgescale plan``: fifty phis, phi for a budget or a latency; exit 1 when over.

Each run is a process of its own, start-up included, so that what a user waits for is counted. CPU
time, not wall time: other load on the machine disturbs it less.

    python tools/bench_plan.py [--runs 5]
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys

REFUSED = "budget below the smallest"
PHIS = ",".join(f"{step / 10:g}" for step in range(-20, 30))
# what, arguments of `edgescale plan`, most CPU seconds (None is for information)
CASES: tuple[tuple[str, list[str], float | None], ...] = (
    ("50 phis", [f"--phi={PHIS}"], 1.0),
    ("50 phis on usb3", [f"--phi={PHIS}", "--device=usb3"], 2.0),
    ("50 phis on three devices", [f"--phi={PHIS}", "--device=usb3,dev-board,usb3-pi4"], None),
    ("phi for 10 ms on usb3", ["--device=usb3", "--max-latency-ms=10"], 1.5),
    ("phi for 100 ms on usb3", ["--device=usb3", "--max-latency-ms=100"], None),
    ("phi for 6.6 MB of weights", ["--max-bytes=6.6MB"], 0.5),
    ("phi for 6.6 MB of file", ["--max-file-bytes=6.6MB"], None),
    ("phi for 4 G MACs", ["--max-macs=4G"], None),
    ("phi for 5 M parameters", ["--max-params=5M"], None),
    (REFUSED, ["--max-bytes=1kB"], None),
)
HEAVY = ("tensorflow", "keras", "optuna", "ray", "scipy", "matplotlib", "cv2")
_NAMES_HEAVY = (
    "import sys; from edgescale.cli import edgescale as run;"
    " run(sys.argv[1:], standalone_mode=False);"
    f" sys.stderr.write(','.join(n for n in {HEAVY!r} if n in sys.modules))"
)


def main() -> int:
    """Measures every case and says which are over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="processes per case")
    runs = parser.parse_args().runs
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    over = 0
    for what, arguments, limit in CASES:
        refused = what == REFUSED
        seconds = [cpu_seconds(["plan", *arguments], status=int(refused)) for _ in range(runs)]
        median = statistics.median(seconds)
        over += limit is not None and median > limit
        print(
            f"{what:28}{median:6.3f} s CPU (median of {runs}, {min(seconds):.3f} to"
            f" {max(seconds):.3f})" + ("" if limit is None else f", at most {limit} s")
        )
    loaded = heavy_imports()
    print(f"heavy libraries imported: {loaded or 'none'}")
    return 1 if over or loaded else 0


def cpu_seconds(arguments: list[str], *, status: int = 0) -> float:
    """Returns user and system time of one ``edgescale`` in a process of its own.

    Args:
        arguments: the verb and its flags.
        status: how it must end; another exit status ends the benchmark.
    """
    command = [sys.executable, "-m", "edgescale", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, capture_output=True, check=False).returncode
    if ended != status:
        sys.exit(f"{' '.join(command)}: exit status {ended}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def heavy_imports() -> str:
    """Returns the names of libraries that solving a budget loaded and should not have."""
    limits = ("--max-file-bytes=6.6MB", "--device=usb3", "--max-latency-ms=10")
    command = [sys.executable, "-c", _NAMES_HEAVY, "plan", *limits]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


if __name__ == "__main__":
    sys.exit(main())
