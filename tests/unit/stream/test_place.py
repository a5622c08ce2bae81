from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.edge_tpus import EdgeTpu
from edgescale.errors import NothingFits
from edgescale.family.manifest import Artifact
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream import place as places
from edgescale.stream.place import (
    Place,
    Wish,
    cpu_place,
    other_places,
    thermometer,
    worthwhile,
)
from tests.fakes import fake_family, machine, measured

PCI = EdgeTpu("pci", "apex_0", None, 60.0, None, driver=True, trip_points_c=(85.0, 90.0, 95.0))
LOST = EdgeTpu("pci", "0000:02:00.0", None, None, "no driver", driver=False)
USB = EdgeTpu("usb", "2-1", 5000, None, None)
BOARD = machine(edge_tpus=(PCI, LOST, USB, replace(USB, path="2-2")))


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    family = fake_family(tmp_path, {"a": 1, "b": 2, "c": 3})
    return Wish(family, WorkerSettings(device="auto"), None, Budget(latency_ms=9.0), adapt=True)


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "probe", lambda: BOARD)


def test_a_run_can_go_to_the_other_edge_tpus_and_then_to_the_cpu(
    wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = Artifact("a_edgetpu.tflite", "0" * 64, 1)
    variant = replace(wish.family.variant("a"), compiled=compiled)
    now = Place(WorkerSettings(device="usb:0"), variant)
    cpu = Place(WorkerSettings(device="cpu"), variant)
    monkeypatch.setattr(places, "cpu_place", lambda wish: cpu)
    found = [find() for find in other_places(wish, now)]
    assert [one.settings.device for one in found] == ["pci", "usb:1", "cpu"]
    assert found[0].variant is variant
    taken = machine(edge_tpus=(PCI, USB, replace(USB, path="2-2", owners=(1,))))
    monkeypatch.setattr(places, "probe", lambda: taken)
    found = [find() for find in other_places(wish, now)]
    assert [one.settings.device for one in found] == ["pci", "cpu"]


def test_from_the_cpu_a_variant_without_compiled_model_can_go_nowhere(wish: Wish) -> None:
    now = Place(WorkerSettings(device="cpu"), wish.family.variant("a"))
    assert list(other_places(wish, now)) == []


def test_on_the_cpu_a_named_variant_stays(wish: Wish) -> None:
    found = cpu_place(replace(wish, variant="b", budget=Budget()))
    assert (found.variant.name, found.settings.device) == ("b", "cpu")


def test_where_the_cpu_keeps_no_budget_the_smallest_runs_and_it_is_said(
    wish: Wish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def choose(family: object, settings: object, budget: Budget, **_: object) -> None:
        asked.append(budget)
        raise NothingFits("none")

    monkeypatch.setattr(places, "choose", choose)
    found = cpu_place(replace(wish, budget=Budget(latency_ms=9.0, on_chip_only=True)))
    assert found.variant.name == "a"
    assert asked == [Budget(latency_ms=9.0)]
    assert "the CPU keeps no budget" in caplog.text


def test_only_a_chip_with_trip_points_has_a_thermometer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "edge_tpu_temperature_c", lambda tpu: 61.0)
    warm = thermometer("pci:0", BOARD)
    assert warm is not None
    assert (warm[0], warm[1]()) == (PCI, 61.0)
    assert thermometer("usb:0", BOARD) is None
    assert thermometer("cpu", BOARD) is None


def test_a_step_that_saves_hardly_anything_is_left_out(wish: Wish) -> None:
    a, b, c = wish.family.manifest.variants
    ladder = [(a, measured(a, p95_ms=4.0)), (b, measured(b, p95_ms=9.5)), (c, measured(c))]
    assert [variant.name for variant, _ in worthwhile(ladder)] == ["a", "c"]
    assert worthwhile(ladder[:1]) == tuple(ladder[:1])
