from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import DeviceError
from edgescale.family.manifest import VariantRecord
from edgescale.selection.controller import Controller, Rules, Rung
from edgescale.stream.adapt import Adaptation
from edgescale.stream.event import Event
from edgescale.stream.supervisor import Supervisor
from tests.fakes import Clock, FakeWorker, fake_family

LIMIT_MS = 25.0
MEDIANS_MS = {"a": 5.0, "b": 10.0, "c": 20.0}


class Scene:
    """A ladder of fakes; the third one runs."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_both: bool = True,
        temperature_c: Callable[[], float | None] | None = None,
        trip_points_c: tuple[float, ...] = (),
    ) -> None:
        variants = fake_family(folder, {"a": 1, "b": 2, "c": 3}).manifest.variants
        self.opened: list[FakeWorker] = []
        self.events: list[Event] = []
        self.problem: Exception | None = None
        self.clock = Clock()
        self.first: Any = FakeWorker(variants[2])
        self.supervisor = Supervisor(
            self.first,
            reopen=self.open,
            elsewhere=None,
            hang_limit_s=1.0,
            on_event=self.events.append,
        )
        rungs = [Rung(name, ms, 1.1 * ms) for name, ms in MEDIANS_MS.items()]
        self.adaptation = Adaptation(
            variants,
            Controller(rungs, LIMIT_MS, trip_points_c=trip_points_c),
            open_variant=self.open,
            keep_both=keep_both,
            on_event=self.events.append,
            temperature_c=temperature_c,
            clock=self.clock,
        )

    def open(self, variant: VariantRecord) -> Any:
        if self.problem is not None:
            raise self.problem
        self.opened.append(FakeWorker(variant))
        return self.opened[-1]

    def play(self, slowdown: float, results: int) -> None:
        """Gives results of what runs, and swaps as soon as it is due."""
        for _ in range(results):
            self.adaptation.observe(slowdown * MEDIANS_MS[self.running])
            self.adaptation._standby.wait()
            if self.adaptation.swap_due:
                self.adaptation.swap(self.supervisor)

    @property
    def running(self) -> str:
        return self.supervisor.variant.name


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_neighbour_is_loaded_before_the_first_frame(scene: Scene) -> None:
    scene.adaptation.prepare()
    assert [one.variant.name for one in scene.opened] == ["b"]
    assert not scene.adaptation.swap_due


def test_down_to_the_neighbour_without_loading_and_up_again(scene: Scene) -> None:
    scene.adaptation.prepare()
    scene.play(1.5, 6)
    assert scene.running == "b"
    assert len(scene.opened) == 1
    assert not scene.first.closed
    scene.play(1.0, (Rules().lasting + 1) * 100)
    assert scene.supervisor.worker is scene.first
    assert len(scene.opened) == 1
    assert [(event.kind, event.details["to"]) for event in scene.events] == [
        ("switched", "b"), ("switched", "c"),
    ]  # fmt: skip
    down = scene.events[0]
    assert down.text == "'c' -> 'b': late frames, slowdown x1.50, budget 25.0 ms"
    assert down.details["slowdown"] == 1.5


def test_in_a_deep_fall_what_is_ready_helps_until_what_fits_is_loaded(scene: Scene) -> None:
    scene.adaptation.prepare()
    scene.play(4.0, 6)
    assert scene.running == "b"
    scene.play(4.0, 7)
    assert scene.running == "a"
    assert [one.variant.name for one in scene.opened] == ["b", "a"]
    assert scene.first.closed


def test_without_memory_for_two_the_one_that_leaves_is_closed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, keep_both=False)
    scene.adaptation.prepare()
    assert scene.opened == []
    scene.play(1.5, 7)
    scene.adaptation.close()
    assert scene.running == "b"
    assert scene.first.closed


def test_a_variant_that_cannot_be_loaded_leaves_the_run_as_it_is(scene: Scene) -> None:
    scene.problem = DeviceError("no memory")
    scene.adaptation.prepare()
    for _ in range(50):
        scene.adaptation.observe(30.0)
    assert not scene.adaptation.swap_due
    assert scene.running == "c"
    scene.problem = None
    scene.play(1.5, 1600)
    assert scene.running == "b"


def test_no_error_of_the_second_variant_ends_the_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.problem = OSError(24, "Too many open files")
    scene.adaptation.prepare()
    for _ in range(20):
        scene.adaptation.observe(30.0)
        with suppress(OSError):
            scene.adaptation._standby.wait()
    assert scene.running == "c"


@pytest.mark.parametrize("problem", [None, DeviceError("no memory, for a while")])
def test_after_a_long_way_up_the_neighbour_is_loaded_again(
    scene: Scene, problem: DeviceError | None
) -> None:
    scene.problem = problem
    scene.adaptation.prepare()
    scene.problem = None
    scene.play(4.0, 20)
    assert scene.running == "a"
    scene.play(1.0, 100 * Rules().lasting + 200)
    assert scene.running == "c"
    assert scene.adaptation._standby.variant is not None
    assert scene.adaptation._standby.variant.name == "b"


def test_a_dropped_neighbour_is_loaded_again_in_the_background(scene: Scene) -> None:
    scene.adaptation.prepare()
    scene.adaptation.drop_standby()
    scene.play(1.0, 2)
    assert [one.variant.name for one in scene.opened] == ["b", "b"]
    scene.adaptation.close()
    assert all(one.closed for one in scene.opened)


def test_the_temperature_is_read_once_a_second_and_acts(tmp_path: Path) -> None:
    read: list[float] = []

    def temperature_c() -> float:
        read.append(84.5)
        return 84.5

    scene = Scene(tmp_path, temperature_c=temperature_c, trip_points_c=(85.0,))
    scene.adaptation.prepare()
    for _ in range(3):
        scene.play(1.0, 1)
        scene.clock.now_s += 0.4
    assert (read, scene.running) == ([], "c")
    scene.play(1.0, 2)
    assert len(read) == 1
    assert scene.running == "b"
    assert scene.events[-1].details["temperature_c"] == 84.5
    assert "heat" in scene.events[-1].text
