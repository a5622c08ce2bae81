"""The supervisor with workers that die to order: what it does, tells and waits for."""

from collections.abc import Callable, Iterator

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
from edgescale.inference.worker import Inference
from edgescale.stream.supervisor import (
    FIRST_RESULT_TIMEOUT_S,
    SHORTEST_RESTARTED_LIMIT_S,
    Opener,
    hang_limit_s,
)
from tests.supervised import OTHER, Scripted, Stage


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
    stage = Stage([Scripted(2, error=DeviceError("transfer failed")), EdgeTpuBusy("standby"),
                   Scripted()])  # fmt: skip
    assert stage.run(3) == [0, 1, 2]
    # The worker lived when it refused; that none could be started in its place is another thing.
    assert stage.kinds() == ["refused", "worker-died", "restarted"]
    wrong = Stage([Scripted(1, error=ModelFileError("no finite numbers"))])
    with pytest.raises(ModelFileError):
        wrong.run(1)
    assert wrong.events == []


def test_the_first_result_of_each_worker_may_take_its_time() -> None:
    workers = [Scripted(1), Scripted(4), Scripted(2, invoke_ms=200.0), Scripted(2, invoke_ms=300.0),
               Scripted(2), Scripted()]  # fmt: skip
    stage = Stage(workers, hang_limit_s=1.5)
    stage.run(8, in_flight=1)
    times_s = [worker.timeouts_s for worker in stage.opened]
    # A minute until this device has given a result, not for each hang after that.
    assert times_s[:2] == [[FIRST_RESULT_TIMEOUT_S], [FIRST_RESULT_TIMEOUT_S, 1.5, 1.5, 1.5]]
    # 20 times what this one takes: it is slower than the profile says, and does not hang.
    assert times_s[2:4] == [[SHORTEST_RESTARTED_LIMIT_S, 4.0], [SHORTEST_RESTARTED_LIMIT_S, 6.0]]
    assert times_s[4:] == [[6.0, 1.5], [6.0, 1.5]]  # the slowest first inference, not the last
    assert (hang_limit_s(None), hang_limit_s(10.0), hang_limit_s(100.0)) == (1.0, 1.0, 2.0)


def test_on_another_device_the_first_result_may_take_a_minute_again() -> None:
    stage: Stage
    workers = [Scripted(2), Scripted(1), Scripted(1), Scripted(device="cpu")]
    stage = Stage(workers, lambda: iter([stage.open]), hang_limit_s=9.0)
    assert stage.run(3, in_flight=1) == [0, 1, 2]
    assert stage.opened[1].timeouts_s == [9.0]  # not less than the limit of any other result
    assert stage.opened[3].timeouts_s == [FIRST_RESULT_TIMEOUT_S, 9.0]


def test_a_result_makes_every_place_worth_another_look() -> None:
    stage: Stage
    looks: list[int] = []

    def elsewhere() -> Iterator[Opener]:
        looks.append(len(stage.opened))
        yield stage.open

    usb, cpu = [Scripted(1) for _ in range(3)], [Scripted(device="cpu")]
    moved = [Scripted(2, device="cpu"), Scripted(1, device="cpu"), Scripted(1, device="cpu")]
    stage = Stage([*usb, *moved, *cpu], elsewhere)
    assert stage.run(2, in_flight=1) == [0, 1]
    assert looks == [3, 6]
    assert stage.kinds().count("moved") == 2


def test_one_death_where_it_has_moved_to_is_no_reason_to_move_on() -> None:
    stage: Stage
    workers = [Scripted(1) for _ in range(3)] + [Scripted(1, device="usb:1") for _ in range(2)]
    stage = Stage([*workers, Scripted(device="usb:1")], lambda: iter([stage.open, refuse]))  # type: ignore[list-item]
    assert stage.run(1) == [0]
    assert stage.kinds()[5:] == ["moved", "worker-died", "restarted", "worker-died", "restarted"]
    assert stage.sleeps_s == [0.0, 0.25, 0.0, 0.25]  # the back-off begins anew there


def test_a_start_is_not_called_a_run_before_there_is_a_result() -> None:
    stage = Stage([Scripted(1) for _ in range(3)] + [Scripted()])
    stage.run(1)
    told = [event.text for event in stage.events if event.kind == "restarted"]
    assert told[2] == "small was started again on usb after 0.75 s"


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
    assert new.timeouts_s == [7.0, 7.0]
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
