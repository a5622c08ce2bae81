"""The supervisor with workers that die to order, on a clock that only sleeping moves."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edgescale.errors import (
    DeviceError,
    EdgeTpuBusy,
    EdgeTpuNotFound,
    ModelFileError,
    NothingFits,
    WorkerDied,
)
from edgescale.family.manifest import Artifact, VariantRecord
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference
from edgescale.stream.event import Event
from edgescale.stream.supervisor import FIRST_RESULT_TIMEOUT_S, Opener, Supervisor, hang_limit_s
from tests.fakes import variant_record

VARIANT = variant_record("small", Artifact("small.tflite", "0" * 64, 1))
OTHER = variant_record("large", Artifact("large.tflite", "1" * 64, 1))


class Scripted:
    """Answers with the picture's first value; dies at its ``dies_at``-th result or submit."""

    def __init__(
        self,
        dies_at: int | None = None,
        *,
        device: str = "usb",
        variant: VariantRecord = VARIANT,
        error: Exception | None = None,
        in_submit: bool = False,
        invoke_ms: float = 3.0,
    ) -> None:
        self.family: Any = None
        self.variant, self.device, self.invoke_ms = variant, device, invoke_ms
        self.runtime_name, self.runtime_version = "ai_edge_litert", "2.3.0"
        self.error = error or WorkerDied("SIGABRT")
        self.dies_at, self.in_submit = dies_at, in_submit
        self.submitted = self.served = 0
        self.pending: list[int] = []
        self.timeouts_s: list[float] = []
        self.closed = False

    def submit(self, frame: Image, *, bgr: bool) -> None:
        assert bgr
        assert not self.closed
        assert len(self.pending) < 2
        self.submitted += 1
        if self.in_submit and self.submitted == self.dies_at:
            raise self.error
        self.pending.append(int(frame.flat[0]))

    def result(self, timeout_s: float) -> Inference:
        assert not self.closed
        self.timeouts_s.append(timeout_s)
        self.served += 1
        if not self.in_submit and self.served == self.dies_at:
            raise self.error
        return Inference((self.pending.pop(0),), (1.0,), self.invoke_ms)

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        return ()

    def close(self) -> None:
        self.closed = True


class Stage:
    """A supervised run: the workers that are opened one after the other, sleeps and events."""

    def __init__(
        self,
        workers: Sequence[Scripted | Exception],
        elsewhere: Callable[[], Iterator[Opener]] | None = None,
        hang_limit_s: float = 1.0,
    ) -> None:
        self.coming = list(workers)
        self.opened: list[Scripted] = []
        self.reopened: list[str] = []
        self.events: list[Event] = []
        self.sleeps_s: list[float] = []
        self.now_s = 0.0
        self.supervisor = Supervisor(
            self.open(),
            reopen=self.reopen,
            elsewhere=elsewhere,
            hang_limit_s=hang_limit_s,
            on_event=self.events.append,
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )

    def open(self) -> Scripted:
        worker = self.coming.pop(0)
        if isinstance(worker, Exception):
            raise worker
        self.opened.append(worker)
        return worker

    def reopen(self, variant: VariantRecord) -> Scripted:
        self.reopened.append(variant.name)
        return self.open()

    def sleep(self, seconds: float) -> None:
        self.sleeps_s.append(seconds)
        self.now_s += seconds

    def run(self, pictures: int, in_flight: int = 2) -> list[int]:
        """Classifies pictures numbered from 0 and returns the numbers that came back."""
        found: list[int] = []
        pending = 0
        for number in range(pictures):
            self.supervisor.submit(np.full((2, 2, 3), number, np.uint8), bgr=True)
            pending += 1
            if pending == in_flight:
                found.append(self.supervisor.result().class_ids[0])
                pending -= 1
        found += [self.supervisor.result().class_ids[0] for _ in range(pending)]
        return found

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.parametrize("in_submit", [False, True])
def test_no_picture_is_lost_or_out_of_order(in_flight: int, in_submit: bool) -> None:
    dying = [Scripted(4, in_submit=in_submit) for _ in range(5)]
    stage = Stage([*dying, Scripted()])
    assert stage.run(20, in_flight) == list(range(20))
    assert stage.kinds() == ["worker-died", "restarted"] * 5
    assert [worker.closed for worker in stage.opened] == [True] * 5 + [False]
    assert stage.sleeps_s == [0.0] * 5  # each had a result before the next died


def test_the_back_off_grows_until_a_result_resets_it() -> None:
    stage = Stage([Scripted(1), Scripted(1), WorkerDied("no start"), Scripted(1), Scripted(2),
                   Scripted()])  # fmt: skip
    assert stage.run(3) == [0, 1, 2]
    assert stage.sleeps_s == [0.0, 0.25, 0.5, 1.0, 0.0]
    assert [event.details["took_s"] for event in stage.events if event.kind == "restarted"] == [
        0.0, 0.75, 1.75, 0.0
    ]  # fmt: skip


def test_eight_attempts_in_a_row_are_enough() -> None:
    stage = Stage([Scripted(2)] + [WorkerDied(f"attempt {number}") for number in range(1, 9)])
    with pytest.raises(WorkerDied, match="attempt 8"):
        stage.run(5)
    assert stage.sleeps_s == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert stage.kinds() == ["worker-died"] * 9
    assert "attempt 8" in stage.events[-1].text
    stage.supervisor.close()


def test_after_three_deaths_the_run_moves_and_is_started_again_there() -> None:
    stage: Stage

    def elsewhere() -> Iterator[Opener]:
        yield lambda: (_ for _ in ()).throw(EdgeTpuBusy("in use"))
        yield stage.open
        pytest.fail("a place too many was asked for")

    cpu = [Scripted(3, device="cpu", variant=OTHER), Scripted(device="cpu", variant=OTHER)]
    stage = Stage([Scripted(1), Scripted(1), Scripted(1), *cpu], elsewhere)
    assert stage.run(6) == list(range(6))
    assert stage.kinds() == [
        "worker-died", "restarted", "worker-died", "restarted", "worker-died", "moved",
        "worker-died", "restarted",
    ]  # fmt: skip
    moved = stage.events[5]
    assert (moved.details["device_before"], moved.details["device"]) == ("usb", "cpu")
    assert moved.details["variant"] == "large"
    assert "usb failed" in moved.text
    assert stage.reopened == ["small", "small"]  # not for the last: it is opened where it moved to
    assert (stage.supervisor.device, stage.supervisor.variant.name) == ("cpu", "large")


def test_after_a_swap_the_place_it_moved_to_does_not_bring_the_old_variant_back() -> None:
    stage: Stage
    workers = [Scripted(1) for _ in range(3)] + [Scripted(device="cpu"), Scripted(variant=OTHER)]
    stage = Stage(workers, lambda: iter([stage.open]))
    assert stage.run(2) == [0, 1]
    stage.supervisor.swap(Scripted(1, variant=OTHER))
    assert stage.run(2) == [0, 1]
    assert stage.reopened == ["small", "small", "large"]


def nowhere() -> Iterator[Opener]:
    """Looks for a place and finds that no variant fits there."""
    yield from map(refuse, ["cpu"])


def refuse(place: str) -> Opener:
    raise NothingFits(f"nothing fits on {place}")


@pytest.mark.parametrize("elsewhere", [nowhere, lambda: iter(())])
def test_where_no_other_place_is_left_it_stays_and_gives_up_in_the_end(
    elsewhere: Callable[[], Iterator[Opener]],
) -> None:
    stage = Stage([Scripted(1)] + [EdgeTpuNotFound("unplugged")] * 8, elsewhere)
    with pytest.raises(EdgeTpuNotFound, match="unplugged"):
        stage.run(1)
    assert stage.sleeps_s == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_places_that_fail_one_after_the_other_are_each_tried_once() -> None:
    stage: Stage
    asked: list[str] = []

    def elsewhere() -> Iterator[Opener]:
        for name in ("usb:1", "cpu"):
            asked.append(name)
            yield stage.open

    dying = [Scripted(1) for _ in range(3)] + [Scripted(1, device="usb:1") for _ in range(3)]
    stage = Stage([*dying, Scripted(device="cpu")], elsewhere)
    assert stage.run(2) == [0, 1]
    assert asked == ["usb:1", "cpu"]
    assert stage.kinds().count("moved") == 2
    assert stage.supervisor.device == "cpu"


def test_a_refused_picture_is_tried_on_a_new_worker_but_a_wrong_model_is_not() -> None:
    stage = Stage([Scripted(2, error=DeviceError("transfer failed")), Scripted()])
    assert stage.run(3) == [0, 1, 2]
    wrong = Stage([Scripted(1, error=ModelFileError("no finite numbers"))])
    with pytest.raises(ModelFileError):
        wrong.run(1)
    assert wrong.events == []


def test_the_first_result_of_each_worker_may_take_its_time() -> None:
    stage = Stage([Scripted(4), Scripted(invoke_ms=200.0)], hang_limit_s=1.5)
    stage.run(6, in_flight=1)
    assert stage.opened[0].timeouts_s == [FIRST_RESULT_TIMEOUT_S, 1.5, 1.5, 1.5]
    # 20 times what this one takes: it is slower than the profile says, and does not hang.
    assert stage.opened[1].timeouts_s == [FIRST_RESULT_TIMEOUT_S, 4.0, 4.0]
    assert (hang_limit_s(None), hang_limit_s(10.0), hang_limit_s(100.0)) == (1.0, 1.0, 2.0)


def test_a_swap_gives_the_old_worker_back_and_restarts_keep_the_new_variant() -> None:
    stage = Stage([Scripted(), Scripted(variant=OTHER)])
    supervisor = stage.supervisor
    assert stage.run(2) == [0, 1]
    supervisor.submit(np.zeros((2, 2, 3), np.uint8), bgr=True)
    new = Scripted(2, variant=OTHER)
    with pytest.raises(ValueError, match="under way"):
        supervisor.swap(new)
    supervisor.result()
    old = supervisor.swap(new, hang_limit_s=7.0)
    assert (old is stage.opened[0], stage.opened[0].closed) == (True, False)
    assert stage.run(3, in_flight=1) == [0, 1, 2]
    assert new.timeouts_s == [FIRST_RESULT_TIMEOUT_S, 7.0]
    assert stage.reopened == ["large"]
    with pytest.raises(ValueError, match="submit one first"):
        supervisor.result()


def test_the_faces_of_the_worker_are_those_of_the_present_one() -> None:
    stage = Stage([Scripted()])
    supervisor = stage.supervisor
    assert supervisor.worker is stage.opened[0]
    assert (supervisor.runtime_name, supervisor.runtime_version) == ("ai_edge_litert", "2.3.0")
    assert supervisor.predictions(Inference((), (), 1.0)) == ()
    supervisor.close()
    supervisor.close()
    assert stage.opened[0].closed
