from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.device.profile import Measurement
from edgescale.device.profile_record import read_profile
from edgescale.device.store import save_profile
from edgescale.errors import WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream import live_run
from edgescale.stream.adapt import Adaptation
from edgescale.stream.event import Event
from edgescale.stream.live_run import LiveRun, rungs
from edgescale.stream.place import Place, Wish
from tests.fakes import FakeWorker, fake_family, machine, measured, picture, profile_of

LIMIT_MS = 25.0


class Scene:
    """A family of three, profiled at 5, 10 and 20 ms, on fakes."""

    def __init__(self, folder: Path, *, budget: Budget | None = None, device: str = "cpu") -> None:
        self.family = fake_family(folder / "family", {"a": 1, "b": 2, "c": 3})
        self.variants = self.family.manifest.variants
        self.figures: list[Measurement] = [
            measured(variant, p95_ms=ms, memory_bytes=1000)
            for variant, ms in zip(self.variants, (5.0, 10.0, 20.0), strict=True)
        ]
        profile = profile_of(self.family, self.figures)
        self.path = save_profile(folder / "profiles", profile)
        self.place = Place(
            WorkerSettings(device="cpu" if device == "auto" else device),
            self.variants[2],
            tuple(zip(self.variants, self.figures, strict=True)),
            profile,
            folder / "profiles",
        )
        settings = WorkerSettings(device=device)
        budget = Budget(latency_ms=LIMIT_MS) if budget is None else budget
        self.wish = Wish(self.family, settings, None, budget, adapt=True)
        self.events: list[Event] = []
        self.opened: list[FakeWorker] = []
        self.dying: dict[str, int] = {}

    def run(self) -> LiveRun:
        return LiveRun(self.wish, self.place, on_event=self.events.append, open_worker=self._opened)

    def _opened(self, variant: VariantRecord, settings: WorkerSettings) -> Any:
        worker = FakeWorker(variant, device=settings.device)
        left = self.dying.get(settings.device, 0)
        if left:
            self.dying[settings.device] = left - 1
            worker.fail_at, worker.error = 1, WorkerDied("SIGABRT")
        self.opened.append(worker)
        return worker

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def observe(live: LiveRun, latency_ms: float, results: int) -> None:
    for _ in range(results):
        live.observe(latency_ms)
        if live.swap_due:
            live.swap()


def test_the_neighbour_is_open_and_warm_before_the_first_frame(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        assert live.supervisor.variant.name == "c"
        assert [one.variant.name for one in scene.opened] == ["c", "b"]
        assert [one.served for one in scene.opened] == [0, 1]
    assert all(one.closed for one in scene.opened)


def test_it_says_what_it_may_run_and_why_it_began_with_the_largest(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        assert live.variants == ("a", "b", "c")
        assert live.why == "the largest variant that fits (p95 latency <= 25.0 ms)"
        assert live.edge_tpu_c() is None
    scene.wish = replace(scene.wish, variant="c", adapt=False)
    with scene.run() as live:
        assert live.variants == ("c",)
        assert live.why == "'c' was asked for"


def test_the_temperature_is_that_of_the_edge_tpu_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def thermometer(device: str, here: object) -> Any:
        asked.append(device)
        return object(), lambda: 71.5

    scene = Scene(tmp_path, device="pci:0")
    scene.wish = replace(scene.wish, adapt=False)
    with scene.run() as live:
        monkeypatch.setattr(live_run, "thermometer", thermometer)
        assert (live.edge_tpu_c(), live.edge_tpu_c()) == (71.5, 71.5)
    assert asked == ["pci:0"]


def test_a_slow_board_steps_down_and_doubts_its_profile(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        observe(live, 30.0, 12)
        assert live.supervisor.variant.name == "b"
    assert scene.kinds == ["doubted", "switched"]
    stale = read_profile(scene.path).stale
    assert stale is not None
    assert stale.startswith("2 of the first 2 results of 'c' took longer than the budget")


def test_good_first_results_confirm_the_profile(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        observe(live, 20.0, 300)
    assert scene.kinds == ["confirmed"]
    assert (scene.events[0].details["n"], scene.events[0].details["over"]) == (59, 0)
    assert read_profile(scene.path).stale is None


def test_what_a_dead_worker_delayed_tells_nothing_of_the_profile(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        for _ in range(30):
            live._told(Event("worker-died", "it died"))
            observe(live, 500.0, 2)  # all that may have been under way
            observe(live, 20.0, 3)
    assert [kind for kind in scene.kinds if kind != "worker-died"] == ["confirmed"]


def test_a_few_late_results_are_told_as_undecided(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with scene.run() as live:
        observe(live, 20.0, 30)
        observe(live, 30.0, 1)
        observe(live, 20.0, 60)
    assert scene.kinds == ["undecided"]
    assert read_profile(scene.path).stale is None


def test_without_adapt_the_variant_stays_and_the_profile_is_doubted(tmp_path: Path) -> None:
    scene = Scene(tmp_path, budget=Budget())
    scene.wish = replace(scene.wish, adapt=False)
    with scene.run() as live:
        observe(live, 60.0, 100)
    assert scene.kinds == ["doubted"]
    assert len(scene.opened) == 1


def test_a_named_variant_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    scene = Scene(tmp_path, budget=Budget())
    scene.place = Place(scene.place.settings, scene.variants[2])
    with scene.run() as live:
        observe(live, 60.0, 100)
    assert scene.events == []


def test_where_nothing_is_smaller_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path)
    scene.place = replace(scene.place, ladder=scene.place.ladder[-1:])
    with scene.run() as live:
        observe(live, 60.0, 100)
        assert not live.swap_due
    assert "nothing to step down to" in caplog.text


def test_ctrl_c_while_a_standby_is_awaited_leaves_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)

    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    live = scene.run().__enter__()
    with monkeypatch.context() as patch:
        patch.setattr(Adaptation, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            live.close()
    assert scene.opened[0].closed
    live.close()
    assert all(one.closed for one in scene.opened)


def test_a_memory_budget_for_one_keeps_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path, budget=Budget(latency_ms=LIMIT_MS, memory_bytes=1400))
    with scene.run():
        assert len(scene.opened) == 1


def test_without_free_memory_for_two_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)
    monkeypatch.setattr(live_run, "probe", lambda: machine(memory_available_bytes=499))
    with scene.run():
        assert len(scene.opened) == 1


@pytest.mark.parametrize(("device", "goes"), [("usb:0", True), ("cpu", False)])
def test_what_was_loaded_beside_a_process_that_died_goes_with_it(
    tmp_path: Path, device: str, goes: bool
) -> None:
    scene = Scene(tmp_path, device=device)
    scene.dying[device] = 1
    with scene.run() as live:
        live.supervisor.submit(picture(), bgr=True)
        live.supervisor.result()
        assert scene.kinds == ["worker-died", "restarted"]
        observe(live, 20.0, 3)  # two that it delayed tell nothing
        live._adaptation._standby.wait()  # type: ignore[union-attr]
        assert [one.variant.name for one in scene.opened[:3]] == ["c", "b", "c"]
        assert len(scene.opened) == (4 if goes else 3)


def test_a_failed_edge_tpu_ends_on_the_cpu_with_the_ladder_of_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, device="auto")
    on_cpu = replace(scene.place, variant=scene.variants[1], ladder=scene.place.ladder[:2])
    scene.place = replace(scene.place, settings=WorkerSettings(device="usb:0"))
    monkeypatch.setattr(live_run, "other_places", lambda wish, now: iter([lambda: on_cpu]))
    scene.dying["usb:0"] = 9
    with scene.run() as live:
        live.supervisor._sleep = lambda seconds: None
        live.supervisor.submit(picture(), bgr=True)
        live.supervisor.result()
        assert (live.supervisor.device, live.supervisor.variant.name) == ("cpu", "b")
        assert scene.kinds[-1] == "moved"
        observe(live, 30.0, 3)
        live._adaptation._standby.wait()  # type: ignore[union-attr]
        observe(live, 30.0, 20)
        assert live.supervisor.variant.name == "a"
    assert "doubted" not in scene.kinds  # what the Edge TPU's profile said is no matter here
    assert all(one.closed for one in scene.opened)


def test_rungs_take_the_percentile_of_the_budget(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    ladder = scene.place.ladder
    assert [one.tail_ms for one in rungs(ladder, 95)] == [5.0, 10.0, 20.0]
    assert [one.tail_ms for one in rungs(ladder, 99)] == pytest.approx([5.5, 11.0, 22.0])
