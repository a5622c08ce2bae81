from collections.abc import Callable
from pathlib import Path

import pytest

from edgescale.device import threads
from edgescale.device.profile import ThreadTrial
from edgescale.device.rig import Rig
from edgescale.device.threads import fastest, search_threads
from edgescale.errors import WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from tests.fakes import Clock, FakeWorker, fake_family, machine

CPU = WorkerSettings(device="cpu")


class Threaded:
    """Opens fake workers whose speed depends on the threads they get."""

    def __init__(self, invoke_ms: Callable[[int], float], fail: int | None = None) -> None:
        self.clock = Clock()
        self.invoke_ms = invoke_ms
        self.fail = fail
        self.workers: list[FakeWorker] = []
        self.order: list[int] = []
        self.rig = Rig(
            self.open,
            self.clock,
            own_pss_bytes=lambda: 0,
            cpu_mhz=lambda: None,
            temperature_c=lambda: None,
            base_bytes=lambda settings: None,
        )

    def open(self, family: Family, variant: VariantRecord, settings: WorkerSettings) -> FakeWorker:
        count = settings.threads or 0
        worker = FakeWorker(variant, invoke_ms=self.invoke_ms(count), clock=self.clock)
        worker.on_classify = lambda name: self.order.append(count)
        if count == self.fail:
            worker.fail_at, worker.error = 2, WorkerDied("ended with SIGSEGV")
        self.workers.append(worker)
        return worker


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "probe", machine)


@pytest.mark.usefixtures("four_cores")
def test_tries_powers_of_two_in_turns_on_the_middle_variant(tmp_path: Path) -> None:
    bench = Threaded(lambda count: 40.0 / count)
    family = fake_family(tmp_path, {"big": 9, "small": 1, "middle": 5})
    found, trials = search_threads(family, CPU, family.manifest.variants, bench.rig)
    assert found == 4
    assert [trial.threads for trial in trials] == [1, 2, 4]
    assert [trial.median_ms for trial in trials] == pytest.approx([41.0, 21.0, 11.0])
    assert {worker.variant.name for worker in bench.workers} == {"middle"}
    assert all(worker.closed for worker in bench.workers)
    assert bench.order[-12:] == [2] * 6 + [4] * 6


@pytest.mark.usefixtures("four_cores")
def test_a_count_that_fails_is_left_out(tmp_path: Path) -> None:
    bench = Threaded(lambda count: 40.0 / count, fail=4)
    family = fake_family(tmp_path, {"a": 1})
    found, trials = search_threads(family, CPU, family.manifest.variants, bench.rig)
    assert (found, [trial.threads for trial in trials]) == (2, [1, 2])


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        pytest.param(WorkerSettings(device="cpu", threads=3), 3, id="asked for"),
        pytest.param(WorkerSettings(device="usb"), 1, id="Edge TPU"),
    ],
)
def test_nothing_is_searched_where_there_is_no_question(
    tmp_path: Path, settings: WorkerSettings, wanted: int
) -> None:
    bench = Threaded(lambda count: 1.0)
    family = fake_family(tmp_path, {"a": 1})
    assert search_threads(family, settings, family.manifest.variants, bench.rig) == (wanted, ())
    assert bench.workers == []


@pytest.mark.parametrize(
    ("medians_ms", "wanted"),
    [
        pytest.param((10.0, 9.6, 9.4), 4, id="four are faster than one by enough"),
        pytest.param((10.0, 9.6, 9.6), 1, id="noise"),
        pytest.param((10.0, 5.0, 4.9), 2, id="two are enough"),
        pytest.param((10.0, 12.0, 30.0), 1, id="slower"),
        pytest.param((), 1, id="nothing tried"),
    ],
)
def test_more_threads_must_be_worth_their_cores(medians_ms: tuple[float, ...], wanted: int) -> None:
    trials = [ThreadTrial(2**power, median) for power, median in enumerate(medians_ms)]
    assert fastest(trials) == wanted


@pytest.mark.parametrize(
    ("cores", "quota", "counts"),
    [
        (1, None, (1,)),
        (4, None, (1, 2, 4)),
        (6, None, (1, 2, 4, 6)),
        (4, 2.5, (1, 2)),
        (4, 0.5, (1,)),
        (64, None, (1, 2, 4, 8)),
    ],
)
def test_counts_end_with_what_may_be_used(
    monkeypatch: pytest.MonkeyPatch, cores: int, quota: float | None, counts: tuple[int, ...]
) -> None:
    facts = machine(usable_cores=cores, cpu_quota_cores=quota)
    monkeypatch.setattr(threads, "probe", lambda: facts)
    assert threads.thread_counts() == counts
