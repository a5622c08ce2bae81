from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from edgescale.device.bench import Plan, Rig, measure, texture
from edgescale.device.measure import judge_noise, profile_with
from edgescale.device.probe import Pressure
from edgescale.errors import EdgeTpuNotFound, ProfileError, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from tests.fakes import Clock, FakeWorker, fake_family

CPU = WorkerSettings(device="cpu")
PLAN = Plan(runs=20, rounds=4, warmup_runs=3)


class Bench:
    """Opens fake workers and notes the order in which they were asked."""

    def __init__(self, make: Callable[[VariantRecord, Clock], FakeWorker] | None = None) -> None:
        self.clock = Clock()
        self.order: list[str] = []
        self.workers: list[FakeWorker] = []
        self.make = make or (lambda variant, clock: FakeWorker(variant, clock=clock))
        self.rig = Rig(self.open, self.clock, lambda: 30 * 2**20)

    def open(self, family: Family, variant: VariantRecord, settings: WorkerSettings) -> FakeWorker:
        worker = self.make(variant, self.clock)
        worker.on_classify = self.order.append
        self.workers.append(worker)
        return worker


def test_records_what_was_measured(tmp_path: Path) -> None:
    bench = Bench()
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    found = measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    assert (found.runtime, found.runtime_version) == ("ai_edge_litert", "2.3.0")
    first = found.variants[0]
    assert (first.variant, first.error, first.n, first.warmup_runs) == ("a", None, 20, 3)
    assert first.latency_ms is not None
    assert first.latency_ms.p95 == pytest.approx(5.0)
    assert first.invoke_ms is not None
    assert first.invoke_ms.median == 4.0
    assert first.fps == pytest.approx(200.0)
    assert first.first_inference_ms == pytest.approx(5.0)
    assert first.memory_bytes == 80 * 2**20
    assert all(worker.closed for worker in bench.workers)


def test_blocks_alternate_between_the_variants(tmp_path: Path) -> None:
    bench = Bench()
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    blocks = [(name, len(list(group))) for name, group in groupby(bench.order)]
    assert blocks == [("a", 4), ("b", 4), *[("a", 5), ("b", 5)] * 4]


def test_a_variant_whose_worker_dies_is_recorded_and_the_rest_goes_on(tmp_path: Path) -> None:
    def make(variant: VariantRecord, clock: Clock) -> FakeWorker:
        error = WorkerDied("ended with SIGKILL") if variant.name == "a" else None
        return FakeWorker(variant, clock=clock, fail_at=10, error=error)

    bench = Bench(make)
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    found = measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    assert found.variants[0].error == "ended with SIGKILL"
    assert found.variants[0].error_kind == "WorkerDied"
    assert found.variants[0].latency_ms is None
    assert found.variants[1].n == 20
    assert all(worker.closed for worker in bench.workers)


def test_nothing_measured_is_the_first_variants_error(tmp_path: Path) -> None:
    bench = Bench(lambda variant, clock: FakeWorker(variant, fail_at=1, error=WorkerDied("gone")))
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    with pytest.raises(WorkerDied, match="gone"):
        measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)


@pytest.mark.parametrize("problem", [EdgeTpuNotFound("no stick"), KeyboardInterrupt()])
def test_a_missing_device_or_ctrl_c_ends_all_at_once_and_closes_the_workers(
    tmp_path: Path, problem: BaseException
) -> None:
    def stop(name: str) -> None:
        if name == "a" and len(bench.order) == 12:
            raise problem
        bench.order.append(name)

    bench = Bench()
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    opened = bench.open

    def open_stopping(one: Family, two: VariantRecord, three: WorkerSettings) -> FakeWorker:
        worker = opened(one, two, three)
        worker.on_classify = stop
        return worker

    rig = Rig(open_stopping, bench.clock, lambda: 0)
    with pytest.raises(type(problem)):
        measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=rig)
    assert len(bench.workers) == 2
    assert all(worker.closed for worker in bench.workers)


def test_on_an_edge_tpu_one_worker_lives_at_a_time(tmp_path: Path) -> None:
    from dataclasses import replace

    def make(variant: VariantRecord, clock: Clock) -> FakeWorker:
        assert all(worker.closed for worker in bench.workers)
        return FakeWorker(variant, clock=clock)

    bench = Bench(make)
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    compiled = [replace(one, compiled=one.model) for one in family.manifest.variants]
    usb = WorkerSettings(device="usb")
    found = measure(family, compiled, settings=usb, plan=PLAN, rig=bench.rig)
    assert [entry.n for entry in found.variants] == [20, 20]


def test_progress_counts_up_to_all_runs(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    bench = Bench()
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    measure(
        family,
        family.manifest.variants,
        settings=CPU,
        plan=PLAN,
        rig=bench.rig,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[0] == (5, 40)
    assert steps[-1] == (40, 40)


def test_a_profile_says_what_was_asked_and_what_was_used(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    found = profile_with(
        family, WorkerSettings(device="auto"), variants=["b"], plan=PLAN, rig=Bench().rig
    )
    assert (found.device_asked, found.device) == ("auto", "cpu")
    assert [entry.variant for entry in found.variants] == ["b"]
    assert found.time.endswith("Z")


def test_no_variant_at_all_is_refused(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"a": 1})
    with pytest.raises(ValueError, match="no variant to measure"):
        profile_with(family, CPU, variants=[], plan=PLAN, rig=Bench().rig)


def test_too_few_runs_are_refused(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"a": 1})
    with pytest.raises(ProfileError, match="at least 5"):
        profile_with(family, CPU, plan=Plan(runs=4), rig=Bench().rig)


def test_the_picture_is_the_same_every_time_and_not_flat() -> None:
    assert texture().shape == (480, 640, 3)
    assert (texture() == texture()).all()
    assert texture().std() > 50


@pytest.mark.parametrize(
    ("before", "after", "noisy"),
    [
        pytest.param(Pressure(0.0, 0, 0.1), Pressure(3.0, 100_000, 0.5), False, id="quiet"),
        pytest.param(Pressure(50.0, 0, 0.1), Pressure(3.0, 100_000, 0.5), True, id="busy before"),
        pytest.param(Pressure(0.0, 0, 0.1), Pressure(9.0, 600_000, 3.0), True, id="busy during"),
        pytest.param(Pressure(None, None, 0.1), Pressure(None, None, 1.0), False, id="no PSI"),
        pytest.param(Pressure(None, None, 4.0), Pressure(None, None, 4.0), True, id="high load"),
        pytest.param(Pressure(None, None, None), Pressure(None, None, None), False, id="unknown"),
    ],
)
def test_noise_is_judged_by_what_the_machine_says(
    before: Pressure, after: Pressure, noisy: bool
) -> None:
    assert judge_noise(before, after, 1.0, cores=2).noisy is noisy
