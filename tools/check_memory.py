"""Predicted against measured peak memory of a worker, for every variant of every family at hand.

    python -m tools.check_memory [--data DIR] [--family FOLDER]... [--threads N]... [--json]
    python -m tools.check_memory --device usb --edgetpu-library FILE

Coral's models under DIR (else EDGESCALE_TEST_DATA, else ../shared/data) are imported as families
first. Ends with 1 where a prediction is off by more than --most per cent. To check another runtime,
run it with the Python that has that runtime.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edgescale.device.bench import Plan
from edgescale.device.measure import profile_with
from edgescale.errors import EdgescaleError
from edgescale.family.store import Family, load_family
from edgescale.inference.import_models import ImportSettings, import_family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import mib

QUICK = Plan(runs=20, rounds=1, warmup_runs=3, pipelined_runs=10)
# The constants of device/memory.py were fitted to these with litert, and to all with others.
FITTED = ("mobilenet_v1_", "mobilenet_v2_1.0_224", "tf2_mobilenet_v2", "phi0")


@dataclass(frozen=True)
class Row:
    """One variant with one number of threads."""

    family: str
    variant: str
    runtime: str
    machine: str
    threads: int
    n: int
    predicted_bytes: int
    measured_bytes: int

    @property
    def error_percent(self) -> float:
        """Returns the error as a share of the measured peak."""
        return 100 * (self.predicted_bytes / self.measured_bytes - 1)

    @property
    def fitted(self) -> bool:
        """Says whether the constants were fitted to this variant."""
        return self.variant.startswith(FITTED) or "litert" not in self.runtime


def main() -> int:
    """Measures all families and prints the comparison."""
    asked = _arguments()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family in _families(asked, Path(folder)):
            for threads in asked.threads or [1, 2]:
                rows += list(_rows(family, threads, asked))
    if not rows:
        sys.stderr.write("no variant could be measured; name a family with --family\n")
        return 2
    worst = max(rows, key=lambda row: abs(row.error_percent))
    if asked.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    else:
        _print(rows, worst)
    return int(abs(worst.error_percent) > asked.most)


def _families(asked: argparse.Namespace, folder: Path) -> Iterator[Family]:
    coral = asked.data / "coral"
    for labels in ("imagenet_labels.txt", "inat_bird_labels.txt"):
        files = _classifiers(coral, inat=labels.startswith("inat"), compiled=asked.device != "cpu")
        if files:
            name = folder / f"coral-{labels.partition('_')[0]}"
            yield import_family(files, coral / labels, name, settings=ImportSettings())
    for path in asked.family:
        yield load_family(path)


def _classifiers(coral: Path, *, inat: bool, compiled: bool) -> list[Path]:
    """Returns Coral's classifiers of one set of labels, with their compiled twins where asked."""
    found = sorted(
        path
        for place in ("models", "models_alt")
        for path in (coral / place).glob("*mobilenet*.tflite")
        if ("inat" in path.name) == inat and (compiled or not path.stem.endswith("_edgetpu"))
    )
    names = {path.stem for path in found}
    return [path for path in found if path.stem.removesuffix("_edgetpu") in names]


def _rows(family: Family, threads: int, asked: argparse.Namespace) -> Iterator[Row]:
    settings = WorkerSettings(
        device=asked.device, threads=threads, edgetpu_library=asked.edgetpu_library
    )
    names = [one.name for one in family.manifest.variants if asked.device == "cpu" or one.compiled]
    if not names:
        return
    try:
        profile = profile_with(family, settings, variants=names, plan=QUICK)
    except EdgescaleError as problem:
        sys.stderr.write(f"{family.manifest.name}: {problem}\n")
        return
    for entry in profile.variants:
        predicted, measured = entry.predicted_worker_peak_bytes, entry.worker_peak_rss_bytes
        if predicted is None or measured is None:
            sys.stderr.write(f"{entry.variant}: {entry.error or 'no prediction'}\n")
            continue
        yield Row(
            family.manifest.name,
            entry.variant,
            f"{profile.runtime} {profile.runtime_version}",
            f"{profile.machine.architecture}, {profile.machine.cpu_model}",
            threads,
            QUICK.runs + QUICK.warmup_runs + QUICK.pipelined_runs + 1,
            predicted,
            measured,
        )


def _print(rows: list[Row], worst: Row) -> None:
    sys.stdout.write(f"{rows[0].runtime} on {rows[0].machine}, n = {rows[0].n} pictures each\n")
    for row in rows:
        used = "fitted" if row.fitted else "check"
        sys.stdout.write(
            f"{row.family:16} {row.variant:46} {row.threads} thread(s)  {used:6}"
            f" predicted {mib(row.predicted_bytes):>10}  measured {mib(row.measured_bytes):>10}"
            f"  {row.error_percent:+5.1f} %\n"
        )
    checks = [abs(row.error_percent) for row in rows if not row.fitted]
    sys.stdout.write(
        f"{len(rows)} peaks, worst {worst.error_percent:+.1f} % ({worst.variant}), worst of"
        f" {len(checks)} not fitted {max(checks, default=0):.1f} %\n"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    data = Path(os.environ.get("EDGESCALE_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--family", type=Path, action="append", default=[])
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--edgetpu-library")
    parser.add_argument("--most", type=float, default=15.0, help="largest error in per cent")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
