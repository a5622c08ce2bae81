"""Brokers that are reached and are none: what is said of them, and that they are tried again."""

import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest

from edgescale.stream.mqtt.link import BrokerLink, Message
from edgescale.stream.mqtt.settings import MqttSettings
from tests.mosquitto import until

pytest.importorskip("paho.mqtt.client", reason="needs the mqtt extra")

WILL = Message("edgescale/available", "offline", True)
TAKEN = b"\x20\x02\x00\x00"  # CONNACK
REFUSED = b"\x20\x02\x00\x05"
_STEP_S = 10.0


class Port:
    """Something that listens, and does as it is told with each connection.

    Attributes:
        plugs: the connections so far.
    """

    def __init__(self, meet: Callable[[socket.socket], None]) -> None:
        self._meet, self.plugs = meet, list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.number: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes the one who accepts
        self._thread.join()
        for plug in (self._listening, *self.plugs):
            plug.close()

    def _serve(self) -> None:
        while True:
            try:
                plug, _ = self._listening.accept()
            except OSError:
                return
            plug.settimeout(_STEP_S)
            self.plugs.append(plug)
            self._meet(plug)


@contextmanager
def linked(
    meet: Callable[[socket.socket], None], clock: Callable[[], float] = lambda: 0.0
) -> Iterator[tuple[BrokerLink, Port]]:
    with closing(Port(meet)) as port:
        settings = MqttSettings("127.0.0.1", port.number)
        link = BrokerLink(settings, WILL, delays_s=(0.02, 0.05), clock=clock)
        with closing(link):
            yield link, port


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Returns one who hears the first message out, answers, and closes."""

    def meet(plug: socket.socket) -> None:
        plug.recv(1000)
        plug.sendall(answer)
        plug.close()

    return meet


def waits(link: BrokerLink, port: Port, attempt: int) -> bool:
    """Says whether the link waits for the first word in this attempt."""
    return len(port.plugs) == attempt and link._opening is not None


def resets(plug: socket.socket) -> None:
    plug.recv(1000)
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plug.close()


@pytest.fixture(autouse=True)
def warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    """Tests before this one may have asked for more."""
    caplog.set_level(logging.WARNING, logger="edgescale")


def test_a_broker_that_never_answers_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = 100.0
    with linked(lambda plug: None, lambda: now_s) as (link, port):
        for attempt in (1, 2, 3):
            assert until(partial(waits, link, port, attempt))
            now_s += 8.0
            link.flush()
            assert waits(link, port, attempt)
            now_s += 0.1
            link.flush()
        assert until(partial(waits, link, port, 4))
        assert not link.connected
    place = f"127.0.0.1:{port.number}"
    assert caplog.messages == [
        f"mqtt: broker {place}: takes the connection but gives no MQTT answer (for 8 s);"
        " trying again"
    ]


@pytest.mark.parametrize(
    ("meet", "said"),
    [
        (says(b""), "gives no MQTT answer (the connection broke off)"),
        (resets, "gives no MQTT answer (the connection broke off)"),
        (says(b"HTTP/1.1 400 Bad Request\r\n" * 8), "no MQTT answer (what came is not MQTT)"),
        (says(REFUSED), "refused: Not authorized"),
    ],
)
def test_what_does_not_take_us_is_told_in_plain_words_and_once(
    caplog: pytest.LogCaptureFixture, meet: Callable[[socket.socket], None], said: str
) -> None:
    with linked(meet) as (link, port):
        assert until(lambda: len(port.plugs) >= 3)
        assert link.error.endswith(said)
    (told,) = caplog.messages
    assert told == f"mqtt: broker {link.error}; trying again"


def test_a_connection_that_stood_and_broke_off_is_told_in_plain_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with linked(says(TAKEN)) as (_, port):
        assert until(lambda: len(port.plugs) >= 2)
        place = f"127.0.0.1:{port.number}"
    expected = f"mqtt: broker {place}: lost: the connection broke off; trying again"
    assert expected in caplog.messages


def test_a_broker_that_took_us_may_say_nothing_for_long(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0

    def takes(plug: socket.socket) -> None:
        plug.recv(1000)
        plug.sendall(TAKEN)

    with linked(takes, lambda: now_s) as (link, port):
        assert until(lambda: link.connected)
        now_s += 1000.0
        link.flush()
        assert link.connected
        assert (link.error, len(port.plugs)) == ("", 1)
    assert caplog.messages == []
