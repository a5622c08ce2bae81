"""From a fault of the worker to the next result: how long it takes, and what it leaves behind.

Runs a variant under the supervisor of the live path and breaks its worker again and again: on the
CPU by signals from outside (SIGABRT, SIGSTOP for a hang, SIGKILL), and on the tests' double of the
Edge TPU, where the variant is compiled, by an abort or a hang inside ``invoke``, and by SIGKILL.
Each fault follows a result, so no back-off is in the times; a hang contains its limit. Descriptors,
children, shared pictures and memory of this process are counted before and after. Each device is
told as soon as it is done, with ``--json`` as one line each. The lock of the double is this run's
own, so that an Edge TPU in use does not matter.

    python tools/bench_faults.py FAMILY [--variant NAME] [--faults N] [--hang-limit S] [--json]
"""

import argparse
import gc
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no wheel

from edgescale.device.probe import pressure, probe
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.stream.supervisor import Supervisor
from tests.edgetpu_double import COMPILER, VARIABLE, behaviour, compile_double

MIB = 2**20
FRAME = np.random.default_rng(7).integers(0, 256, (480, 640, 3), np.uint8)


@dataclass(frozen=True)
class Left:
    """What this process holds: to be the same before and after, memory nearly."""

    descriptors: int
    children: int
    shared_pictures: int
    rss_mib: float


@dataclass(frozen=True)
class Series:
    """Times from one kind of fault to the next result."""

    device: str
    fault: str
    n: int
    median_s: float
    worst_s: float


@dataclass(frozen=True)
class Findings:
    """All series on one device, and what was held before the first and after the last fault."""

    device: str
    runtime: str
    start_to_result_s: float
    series: tuple[Series, ...]
    before: Left
    after: Left


class Bench:
    """One variant on one device under the supervisor."""

    def __init__(
        self, family: Family, variant: VariantRecord, settings: WorkerSettings, hang_limit_s: float
    ) -> None:
        """Starts the first worker."""
        started_s = time.perf_counter()

        def opened(wanted: VariantRecord) -> Worker:
            return Worker(family, wanted, settings=settings)

        self.supervisor = Supervisor(
            opened(variant),
            reopen=opened,
            elsewhere=None,
            hang_limit_s=hang_limit_s,
            on_event=lambda event: None,
        )
        self.classify()
        self.start_to_result_s = time.perf_counter() - started_s

    def classify(self) -> None:
        """Runs one picture."""
        self.supervisor.submit(FRAME, bgr=True)
        self.supervisor.result()

    def series(self, fault: str, cause: Callable[[], None], n: int) -> Series:
        """Causes a fault again and again and times the next result."""
        took_s = []
        for _ in range(n):
            self.classify()
            started_s = time.perf_counter()
            cause()
            self.classify()
            took_s.append(time.perf_counter() - started_s)
        device = self.supervisor.device
        return Series(device, fault, n, statistics.median(took_s), max(took_s))

    def send(self, number: signal.Signals) -> None:
        """Sends the worker a signal."""
        worker = self.supervisor.worker
        assert isinstance(worker, Worker)
        os.kill(worker.pid, number)


def main() -> None:
    """Runs all faults and prints what they cost."""
    asked = _arguments()
    with tempfile.TemporaryDirectory() as tempfile.tempdir:  # the locks of Edge TPUs are there
        _run(asked)


def _run(asked: argparse.Namespace) -> None:
    family = load_family(asked.family)
    variant = family.variant(asked.variant) if asked.variant else family.manifest.variants[0]
    busy, machine = pressure().avg10_percent, probe()
    facts = f"{machine.cpu_model}, {machine.usable_cores} cores"
    _tell(asked, {"variant": variant.name, "machine": facts, "psi_before_percent": busy})
    _report(asked, _on_cpu(family, variant, asked))
    if variant.compiled is None or COMPILER is None:
        why = "no C compiler" if variant.compiled else "not compiled"
        print(f"no Edge TPU double: {why}", file=sys.stderr)
    else:
        _report(asked, _on_double(family, variant, asked))


def _on_cpu(family: Family, variant: VariantRecord, asked: argparse.Namespace) -> Findings:
    bench = Bench(family, variant, WorkerSettings(), asked.hang_limit)
    faults = {
        "abort": lambda: bench.send(signal.SIGABRT),
        "hang": lambda: bench.send(signal.SIGSTOP),
        "SIGKILL": lambda: bench.send(signal.SIGKILL),
    }
    return _measured(bench, faults, asked.faults)


def _on_double(family: Family, variant: VariantRecord, asked: argparse.Namespace) -> Findings:
    with tempfile.TemporaryDirectory() as folder:
        library, told, token = (Path(folder) / name for name in ("double.so", "told", "token"))
        compile_double(library)
        told.touch()
        os.environ[VARIABLE] = f"@{told}"
        settings = WorkerSettings(device="usb", edgetpu_library=str(library))
        bench = Bench(family, variant, settings, asked.hang_limit)

        def in_invoke(kind: str) -> Callable[[], None]:
            def cause() -> None:
                told.write_text(behaviour(**{f"{kind}_at": 1, "every": 1, "once": token}))
                token.touch()

            return cause

        faults = {
            "abort": in_invoke("abort"),
            "hang": in_invoke("hang"),
            "SIGKILL": lambda: bench.send(signal.SIGKILL),
        }
        return _measured(bench, faults, asked.faults)


def _measured(bench: Bench, faults: dict[str, Callable[[], None]], n: int) -> Findings:
    worker = bench.supervisor.worker
    bench.series("SIGKILL", faults["SIGKILL"], 1)  # what the first restart allocates for good
    before = _left()
    series = tuple(bench.series(name, cause, n) for name, cause in faults.items())
    after = _left()
    bench.supervisor.close()
    runtime = f"{worker.runtime_name} {worker.runtime_version}"
    device = worker.device if worker.device == "cpu" else f"{worker.device} (double)"
    return Findings(device, runtime, bench.start_to_result_s, series, before, after)


def _left() -> Left:
    gc.collect()
    me = psutil.Process()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return Left(
        descriptors=me.num_fds(),
        children=len(me.children()),
        shared_pictures=sum("edgescale-pictures" in line for line in maps),
        rss_mib=round(me.memory_info().rss / MIB, 1),
    )


def _tell(asked: argparse.Namespace, conditions: dict[str, object]) -> None:
    """Prints under which conditions the figures that follow were taken."""
    conditions = conditions | {"hang_limit_s": asked.hang_limit}
    if asked.json:
        print(json.dumps(conditions), flush=True)
        return
    print(f"{conditions['variant']} of {asked.family}; {conditions['machine']};")
    busy = conditions["psi_before_percent"]
    print(f"hang limit {asked.hang_limit:g} s, CPU pressure before {busy} %", flush=True)


def _report(asked: argparse.Namespace, one: Findings) -> None:
    if asked.json:
        print(json.dumps(asdict(one)), flush=True)
        return
    print(f"{one.device}, {one.runtime}: from start to first result {one.start_to_result_s:.2f} s")
    for entry in one.series:
        print(
            f"  {entry.fault:8} n = {entry.n:3}   fault to next result:"
            f" median {entry.median_s:.2f} s, worst {entry.worst_s:.2f} s"
        )
    for name, held in asdict(one.before).items():
        print(f"  {name:16} before {held:6} after {asdict(one.after)[name]:6}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path, help="a family's folder")
    parser.add_argument("--variant", help="of the family; the first one otherwise")
    parser.add_argument("--faults", type=int, default=34, help="of each kind on each device")
    parser.add_argument("--hang-limit", type=float, default=1.0, metavar="S")
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each device")
    return parser.parse_args()


if __name__ == "__main__":
    main()
