"""Choosing on this machine: what is stored, what is measured, what is kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgescale.device import fresh
from edgescale.device.rig import Rig
from edgescale.device.store import mark_stale
from edgescale.errors import NothingFits
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import Selection, choose
from tests.fakes import Clock, FakeWorker, fake_family

SETTINGS = WorkerSettings(device="cpu", threads=1)
TIMES_MS = {"s": 9.0, "m": 19.0, "l": 39.0}  # and 1 ms around the interpreter


class Machine:
    """Measures with fake workers and counts how often each variant was started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._clock = Clock()
        self.rig = Rig(
            self._open,
            self._clock,
            sleep=lambda seconds: None,
            own_pss_bytes=lambda: 2**20,
            cpu_mhz=lambda: None,
            temperature_c=lambda: None,
            base_bytes=lambda settings: None,
        )

    def _open(self, family: Family, variant: VariantRecord, settings: WorkerSettings) -> FakeWorker:
        self.started.append(variant.name)
        return FakeWorker(variant, invoke_ms=TIMES_MS[variant.name], clock=self._clock)


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Family:
    monkeypatch.setattr(fresh, "runtime_here", lambda settings: ("ai_edge_litert", "2.3.0"))
    return fake_family(tmp_path / "family", {"s": 1, "m": 2, "l": 3})


def chosen(family: Family, machine: Machine, folder: Path, limit_ms: float) -> Selection:
    selection, _ = choose(
        family, SETTINGS, Budget(latency_ms=limit_ms), folder=folder, rig=machine.rig
    )
    return selection


def reasons(selection: Selection) -> Sequence[tuple[str, str]]:
    return [(one.variant, one.kind) for one in selection.rejections]


def test_a_first_choice_measures_what_it_needs_and_keeps_it(family: Family, tmp_path: Path) -> None:
    machine = Machine()
    selection = chosen(family, machine, tmp_path / "profiles", 25.0)
    assert selection.chosen.name == "m"
    assert selection.measurement.n == 114
    assert machine.started == ["m", "l", "m", "l"]
    assert reasons(selection) == [("s", "not_tried"), ("l", "over_budget")]
    assert selection.rejections[0].text == "a larger one fits"
    assert selection.rejections[1].text.startswith("median latency of 10 runs 40.0 ms > 25.0 ms")
    again = Machine()
    assert chosen(family, again, tmp_path / "profiles", 25.0).chosen.name == "m"
    assert not again.started


def test_a_stale_profile_is_measured_anew(family: Family, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    budget = Budget(latency_ms=25.0)
    _, profile = choose(family, SETTINGS, budget, folder=folder, rig=Machine().rig)
    mark_stale(folder, profile, "9 of 59 live results were slower")
    machine = Machine()
    chosen(family, machine, folder, 25.0)
    assert machine.started == ["m", "l", "m", "l"]


def test_what_was_measured_is_kept_when_nothing_fits(family: Family, tmp_path: Path) -> None:
    machine = Machine()
    with pytest.raises(NothingFits, match=r"nearest miss is 's': median latency of 10 runs 10\.0"):
        chosen(family, machine, tmp_path / "profiles", 5.0)
    assert machine.started == ["m", "s"]
    again = Machine()
    with pytest.raises(NothingFits):
        chosen(family, again, tmp_path / "profiles", 5.0)
    assert not again.started
