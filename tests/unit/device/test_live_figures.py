"""Figures that are measured while a choice is made, with fake workers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgescale.device.live_figures import LiveFigures
from edgescale.device.profile import DeviceProfile
from edgescale.device.profile_record import profile_from_dict
from edgescale.device.rig import Rig
from edgescale.errors import RuntimeMissing, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.preparation import Image
from edgescale.inference.worker import WorkerSettings
from tests.fakes import Clock, FakeWorker, fake_family, measured, profile_of

SETTINGS = WorkerSettings(device="cpu", threads=1)


class Bench:
    """Opens fake workers, one after the other, and keeps them."""

    def __init__(self, make: Callable[[VariantRecord, Clock], FakeWorker] | None = None) -> None:
        self.clock = Clock()
        self.workers: list[FakeWorker] = []
        self._make = make or (lambda variant, clock: FakeWorker(variant, clock=clock))
        self.rig = Rig(
            self._open,
            self.clock,
            sleep=lambda seconds: None,
            own_pss_bytes=lambda: 30 * 2**20,
            cpu_mhz=lambda: 1500.0,
            temperature_c=lambda: 50.0,
            base_bytes=lambda settings: None,
        )

    def _open(self, family: Family, variant: VariantRecord, settings: WorkerSettings) -> FakeWorker:
        assert all(worker.closed for worker in self.workers)  # one at a time
        self.workers.append(self._make(variant, self.clock))
        return self.workers[-1]


class Stopped(FakeWorker):
    """A worker during whose first picture somebody presses Ctrl-C."""

    def submit(self, frame: Image, *, bgr: bool) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return fake_family(tmp_path / "family", {"a": 1, "b": 2})


def figures_of(family: Family, bench: Bench, stored: DeviceProfile | None = None) -> LiveFigures:
    return LiveFigures(family, SETTINGS, "cpu", stored, rig=bench.rig)


def test_only_what_is_asked_for_is_measured(family: Family) -> None:
    bench = Bench()
    with figures_of(family, bench) as figures:
        assert not figures.at_hand("a")
        assert figures.measurement("a") is None
        assert figures.latencies("a", 5) == pytest.approx([5.0] * 5)
        assert figures.at_hand("a")
        assert len(figures.latencies("a", 20)) == 20
        profile = figures.profile()
    # The first picture and three more warm up.
    assert [worker.served for worker in bench.workers] == [28]
    assert bench.workers[0].closed
    assert profile is not None
    assert [(one.variant, one.n) for one in profile.variants] == [("a", 20)]
    assert [name for name, _ in profile.models] == ["a", "b"]
    assert profile.variants[0].memory_bytes == 70 * 2**20


def test_a_stored_profile_comes_first_and_is_added_to(family: Family) -> None:
    stored = profile_of(family, [measured(family.variant("a"), n=100)])
    bench = Bench()
    with figures_of(family, bench, stored) as figures:
        assert len(figures.latencies("a", 5)) == 100
        assert not bench.workers
        assert figures.profile() is stored
        assert len(figures.latencies("a", 120)) == 120
        figures.latencies("b", 5)
        profile = figures.profile()
    assert profile is not None
    assert {one.variant: one.n for one in profile.variants} == {"a": 120, "b": 5}
    assert profile.time == stored.time
    assert profile.variants[0].memory_bytes == 70 * 2**20
    assert profile_from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_what_is_broken_off_is_not_kept(family: Family) -> None:
    stored = profile_of(family, [measured(family.variant("a"), n=100)])
    bench = Bench(lambda variant, clock: Stopped(variant, clock=clock))
    with figures_of(family, bench, stored) as figures:
        for variant in ("a", "b"):
            with pytest.raises(KeyboardInterrupt):
                figures.latencies(variant, 120)
        assert figures.profile() is stored


def test_one_that_dies_gives_nothing_and_is_not_asked_again(family: Family) -> None:
    def make(variant: VariantRecord, clock: Clock) -> FakeWorker:
        dies = variant.name == "a"
        error = WorkerDied("ended with SIGSEGV") if dies else None
        return FakeWorker(variant, clock=clock, fail_at=1 if dies else None, error=error)

    bench = Bench(make)
    with figures_of(family, bench) as figures:
        assert figures.latencies("a", 5) == ()
        assert figures.latencies("a", 50) == ()
        assert len(figures.latencies("b", 5)) == 5
        entry = figures.measurement("a")
    assert len(bench.workers) == 2
    assert entry is not None
    assert entry.error == "ended with SIGSEGV"


def test_what_is_wrong_with_the_machine_ends_the_choice(family: Family) -> None:
    def make(variant: VariantRecord, clock: Clock) -> FakeWorker:
        raise RuntimeMissing("no TFLite interpreter works here")

    with figures_of(family, Bench(make)) as figures, pytest.raises(RuntimeMissing):
        figures.latencies("a", 5)


def test_workers_end_however_the_choice_ends(family: Family) -> None:
    bench = Bench()

    def interrupted() -> None:
        with figures_of(family, bench) as figures:
            figures.latencies("a", 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [worker.closed for worker in bench.workers] == [True]
