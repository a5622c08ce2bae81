from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from edgescale.device.bench import Bench as OneVariant
from edgescale.device.bench import Plan
from edgescale.device.measure import profile_with
from edgescale.device.picture import texture
from edgescale.device.rig import Rig
from edgescale.device.side_by_side import measure
from edgescale.errors import EdgeTpuNotFound, ProfileError, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from tests.fakes import Clock, FakeWorker, fake_family

CPU = WorkerSettings(device="cpu")
PLAN = Plan(runs=20, rounds=4, warmup_runs=3, pipelined_runs=6)


def rig(
    open_worker: Callable[[Family, VariantRecord, WorkerSettings], FakeWorker], clock: Clock
) -> Rig:
    return Rig(
        open_worker,
        clock,
        own_pss_bytes=lambda: 30 * 2**20,
        cpu_mhz=lambda: 1500.0,
        temperature_c=lambda: 50.0,
        base_bytes=lambda settings: None,
    )


class Bench:
    """Opens fake workers and notes the order in which they were asked."""

    def __init__(self, make: Callable[[VariantRecord, Clock], FakeWorker] | None = None) -> None:
        self.clock = Clock()
        self.order: list[str] = []
        self.workers: list[FakeWorker] = []
        self.make = make or (lambda variant, clock: FakeWorker(variant, clock=clock))
        self.rig = rig(self.open, self.clock)

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
    assert first.load_ms == 7.0
    assert first.pipelined_fps == pytest.approx(200.0)
    assert first.memory_bytes == 70 * 2**20
    assert first.worker_peak_rss_bytes == 50 * 2**20
    assert (found.cpu_mhz_before, found.cpu_mhz_after) == (1500.0, 1500.0)
    assert bench.workers[0].most_under_way == 2
    assert all(worker.closed for worker in bench.workers)


def test_blocks_alternate_between_the_variants(tmp_path: Path) -> None:
    bench = Bench()
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    blocks = [(name, len(list(group))) for name, group in groupby(bench.order)]
    assert blocks == [("a", 4), ("b", 4), *[("a", 7), ("b", 7)] * 4, ("a", 6), ("b", 6)]


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

    with pytest.raises(type(problem)):
        measure(
            family,
            family.manifest.variants,
            settings=CPU,
            plan=PLAN,
            rig=rig(open_stopping, bench.clock),
        )
    assert len(bench.workers) == 2
    assert all(worker.closed for worker in bench.workers)


def test_on_an_edge_tpu_one_worker_lives_at_a_time(tmp_path: Path) -> None:
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


def test_too_few_or_too_many_runs_are_refused(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"a": 1})
    for runs in (4, 20_001):
        with pytest.raises(ProfileError, match="give 5 to 20000"):
            profile_with(family, CPU, plan=Plan(runs=runs), rig=Bench().rig)


def test_the_picture_is_the_same_every_time_and_not_flat() -> None:
    assert texture().shape == (480, 640, 3)
    assert (texture() == texture()).all()
    assert texture().std() > 50


def test_a_worker_among_others_weighs_what_it_would_weigh_alone(tmp_path: Path) -> None:
    bench = Bench()

    class Sharing(FakeWorker):
        def pss_bytes(self) -> int:
            alive = sum(not worker.closed for worker in bench.workers)
            return (20 + 30 // alive + (5 if self.variant.name == "b" else 0)) * 2**20

    bench.make = lambda variant, clock: Sharing(variant, clock=clock)
    family = fake_family(tmp_path, {"a": 1, "b": 2, "c": 3})
    found = measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    weights = [(entry.worker_pss_bytes or 0) // 2**20 for entry in found.variants]
    assert weights == [50, 55, 50]


def test_latencies_are_kept_to_a_microsecond_and_are_never_zero(tmp_path: Path) -> None:
    bench = Bench(lambda variant, clock: FakeWorker(variant, invoke_ms=3.2345678, clock=clock))
    family = fake_family(tmp_path, {"a": 1})
    found = measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=bench.rig)
    assert set(found.variants[0].latencies_ms) == {4.235}
    still = Bench(lambda variant, clock: FakeWorker(variant))
    found = measure(family, family.manifest.variants, settings=CPU, plan=PLAN, rig=still.rig)
    assert set(found.variants[0].latencies_ms) == {0.001}
    assert found.variants[0].pipelined_fps is None


def test_on_an_edge_tpu_the_variants_do_not_alternate(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"a": 1})
    compiled = tuple(replace(one, compiled=one.model) for one in family.manifest.variants)
    family = Family(family.folder, replace(family.manifest, variants=compiled))
    settings = WorkerSettings(device="usb", edgetpu_library="no-such-library")
    assert profile_with(family, settings, plan=PLAN, rig=Bench().rig).rounds == 1
    assert profile_with(family, CPU, plan=PLAN, rig=Bench().rig).rounds == 4


def test_a_variant_can_be_driven_block_by_block(tmp_path: Path) -> None:
    bench = Bench()
    family = fake_family(tmp_path, {"a": 1})
    one = OneVariant(family, family.manifest.variants[0], CPU, bench.rig)
    assert one.block(texture(), 3) == ()
    one.start()
    one.warm_up(texture(), 2)
    assert list(one.block(texture(), 3)) == pytest.approx([5.0] * 3)
    assert len(one.block(texture(), 2, uncounted=4)) == 2
    assert bench.workers[0].served == 3 + 3 + 6
    one.weigh()
    one.close()
    assert one.measurement().n == 5
    assert one.measurement().pipelined_fps is None
