"""Lints what the builder writes: EfficientNet-EdgeTPU S, M, L and ten phis, with random weights.

Usage: nice python tools/check_lint.py [--side 96]

Each network is quantised as a build does, with two random pictures; with --side all networks take
pictures of that side, which is quicker. Prints a table and ends with 1 where a file has an error.
Full size takes about three minutes on two cores, most of it in TensorFlow's calibration.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.baseline import find_baseline
from edgescale.architecture.network import Architecture
from edgescale.builder.network import export_model, set_weights
from edgescale.builder.quantise import converted
from edgescale.builder.weights import fresh_weights
from edgescale.edgetpu.lint import LintReport, lint_file
from edgescale.scaling.variant import published, scale

PHIS = (-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 2.5, 3)


def networks(side: int | None) -> Iterator[tuple[str, Architecture]]:
    """Yields S, M, L and the phis, of their own resolution or all from one side."""
    baseline = find_baseline("efficientnet-edgetpu")
    if side is not None:
        baseline = replace(baseline, resolution=side)
        yield "s", scale(baseline, 0).architecture
    else:
        for name in ("s", "m", "l"):
            yield name, published(baseline, name).architecture
    for phi in PHIS:
        variant = scale(baseline, phi)
        yield variant.name, variant.architecture


def linted(architecture: Architecture, folder: Path) -> LintReport:
    """Quantises a network with random weights and two pictures, and lints the file."""
    model = export_model(architecture)
    set_weights(model, architecture, fresh_weights(architecture, seed=0))
    path = folder / "model.tflite"
    path.write_bytes(converted(model, _pictures(architecture.resolution)))
    return lint_file(path)


def _pictures(size: int) -> list[NDArray[np.float32]]:
    random = np.random.RandomState(1)
    pictures = [random.uniform(-1, 1, (1, size, size, 3)).astype(np.float32) for _ in range(2)]
    pictures[0][0, 0, 0] = -127 / 128, 1, 0
    return pictures


def main() -> None:
    """Prints a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, help="pixels of all inputs")
    side = parser.parse_args().side
    clean = True
    print("network    pixels  operators  on the CPU  errors  warnings  seconds")
    for name, architecture in networks(side):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            report = linted(architecture, Path(folder))
        operators = report.ops_on_edgetpu + report.ops_on_cpu
        rules = ", ".join(sorted({finding.rule for finding in report.findings}))
        print(
            f"{name:<9}{architecture.resolution:>8}{operators:>11}{report.ops_on_cpu:>12}"
            f"{len(report.errors):>8}{len(report.warnings):>10}"
            f"{time.monotonic() - begin:>9.0f}  {rules}",
            flush=True,
        )
        clean = clean and report.fully_mapped
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
