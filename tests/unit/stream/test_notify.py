"""What systemd hears, over real datagram sockets."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgescale.stream.event import Event
from edgescale.stream.notify import Notifier, NotifySink
from edgescale.stream.snapshot import Snapshot
from tests.fakes import Clock
from tests.snapshots import snapshot, source

PAUSE_S = 3.0


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as here:
        here.bind(address)
        here.settimeout(2)
        yield here


def heard(here: socket.socket) -> list[str]:
    """Returns what has come; sending to a socket of the same machine is done when it returns."""
    here.setblocking(False)
    lines = []
    try:
        while True:
            lines.append(here.recv(4096).decode())
    except BlockingIOError:
        return lines


def test_a_path_and_an_abstract_name(tmp_path: Path) -> None:
    for address, variable in (
        (str(tmp_path / "notify"), str(tmp_path / "notify")),
        (f"\0edgescale-test-{tmp_path}", f"@edgescale-test-{tmp_path}"),
    ):
        with listening(address) as here:
            notifier = Notifier({"NOTIFY_SOCKET": variable})
            assert notifier.wanted
            notifier.tell("READY=1", "STATUS=on")
            notifier.status("15 fps\nREADY=0\x1b")
            assert heard(here) == ["READY=1\nSTATUS=on", "STATUS=15 fps?READY=0?"]


def test_without_a_socket_or_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    assert not Notifier({}).wanted
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": "@"}).tell("READY=1")


class Run:
    """What the sink looks at, and the clock by which it does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = snapshot(sources=(source(state="opening", frames=0, capture_fps=None),))

    def __call__(self) -> Snapshot:
        return self.now


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[NotifySink, Run, socket.socket]]:
    address, run = str(tmp_path / "notify"), Run()
    with listening(address) as here:
        sink = NotifySink(Notifier({"NOTIFY_SOCKET": address}), run, {"door": PAUSE_S}, run.clock)
        yield sink, run, here


def test_ready_is_said_once_when_a_source_is_open(
    told: tuple[NotifySink, Run, socket.socket],
) -> None:
    sink, run, here = told
    sink.tick()
    assert "READY=1" not in heard(here)
    run.now = snapshot()
    sink.tick()
    sink.tick()
    assert heard(here).count("READY=1") == 1
    sink.close()
    assert heard(here) == ["STOPPING=1"]


def fed(told: tuple[NotifySink, Run, socket.socket], after_s: float, **changes: object) -> bool:
    """Says whether the watchdog is fed when it looks at such a source after some seconds."""
    sink, run, here = told
    run.clock.now_s += after_s
    run.now = snapshot(sources=(source(**changes),))
    sink.tick()
    return "WATCHDOG=1" in heard(here)


def test_the_watchdog_is_fed_while_results_come_or_none_can(
    told: tuple[NotifySink, Run, socket.socket],
) -> None:
    assert fed(told, 1, frames=0, state="opening")
    assert fed(told, 1000, frames=0, state="opening")
    assert fed(told, 1, frames=0)
    assert fed(told, 60, frames=1)
    assert fed(told, PAUSE_S - 1, frames=1)  # the user wants no more of them
    assert not fed(told, 2, frames=1)  # it plays, and none came
    assert fed(told, 1, frames=1, state="lost")
    assert fed(told, 1000, frames=1, state="lost")
    assert fed(told, 1, frames=1)
    assert not fed(told, PAUSE_S, frames=1)


def test_a_run_that_hangs_is_not_fed_again_when_its_rate_is_forgotten(
    told: tuple[NotifySink, Run, socket.socket],
) -> None:
    assert fed(told, 1, frames=9)
    assert not fed(told, PAUSE_S + 1, frames=9)
    assert not fed(told, 600, frames=9, capture_fps=0.0, fps=0.0)
    assert fed(told, 1, frames=10)


def test_without_a_wanted_pause_each_second_without_a_result_counts(tmp_path: Path) -> None:
    address, run = str(tmp_path / "notify"), Run()
    with listening(address) as here:
        sink = NotifySink(Notifier({"NOTIFY_SOCKET": address}), run, {}, run.clock)
        assert fed((sink, run, here), 1, frames=9)
        assert not fed((sink, run, here), 1, frames=9)


def test_the_status_line_says_rate_and_what_is_lost(
    told: tuple[NotifySink, Run, socket.socket],
) -> None:
    sink, run, here = told
    run.now = snapshot(sources=(source(), source(name="garden", state="lost")))
    sink.tick()
    sink.event(Event("switched", "'large' -> 'small'"), None)
    said = [line for line in heard(here) if line.startswith("STATUS=")]
    assert said == ["STATUS=large, 15 fps, lost: garden", "STATUS=switched: 'large' -> 'small'"]
