"""The connection to an MQTT broker: kept up for ever, with a bounded queue before it.

The one file that touches paho-mqtt. A state is worth its newest value only, so what waits for a
topic is replaced; events are kept in order, the oldest go first when the broker stays away.
"""

import logging
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgescale.errors import SinkFailed
from edgescale.stream.extras import needing
from edgescale.stream.mqtt.settings import MqttSettings

log = logging.getLogger(__name__)

MOST_EVENTS = 100
_MOST_UNDER_WAY = 20  # of MQTT's own window; what waits here can still be replaced
_KEEPALIVE_S = 30
# An output has five seconds to end: what waits is sent, then a connection under way is waited for.
_FINISH_S = 1.5
_CONNECT_S = 2.5
_JOIN_S = 3.0
_ANSWER_S = 8.0  # after it was reached a broker says whether it takes us
_QOS = 1
_PLAINLY = {  # what paho calls the ends of a connection
    "Unspecified error": "the connection broke off",
    "Keep alive timeout": f"no answer for {_KEEPALIVE_S} s",
    "Protocol error": "what came is not MQTT",
}


@dataclass(frozen=True)
class Message:
    """One message; an empty payload removes what was retained, ``counted`` are results, events."""

    topic: str
    payload: str
    retain: bool = False
    counted: bool = False


class BrokerLink:
    """Speaks to one broker; all methods but the constructor are for one thread.

    Args:
        settings: where it is.
        will: what the broker says when this process is gone without a word; who else says it is
            heard.
        delays_s: shortest and longest wait between two attempts.
        clock: in seconds, monotonic.

    Attributes:
        connections: how often the broker was reached; a new number wants everything said again.
        contradicted: how often somebody else said our will; a new number wants the same.
        dropped: events that were never sent.
        sent: results and events that the broker has.
        error: why there is no connection; empty while there is one.
    """

    def __init__(
        self,
        settings: MqttSettings,
        will: Message,
        *,
        delays_s: tuple[float, float] = (1.0, 30.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins to connect, in a thread of its own; a broker that is down is no error.

        Raises:
            SinkFailed: paho-mqtt is not installed or does not work, or the CA file cannot be used.
        """
        self._settings, self._will, self._clock = settings, will, clock
        self._events: deque[Message] = deque()
        self._states: dict[str, Message] = {}
        self._under_way: deque[tuple[Any, Message]] = deque()
        self._connected = threading.Event()
        # Since when a broker was reached that has not yet said whether it takes us.
        self._opening: tuple[socket.socket, float] | None = None
        self._closing = False
        self.connections = self.contradicted = self.dropped = self.sent = 0
        self.error = "not connected yet"
        self._told = ""
        self._client = self._new_client(delays_s)
        self._thread = threading.Thread(target=self._serve, name="mqtt", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Says whether the broker has taken us."""
        return self._connected.is_set()

    def put(self, message: Message) -> None:
        """Queues a message: a retained one in the place of an older one for its topic."""
        if message.retain:
            self._states.pop(message.topic, None)
            self._states[message.topic] = message
            return
        self._events.append(message)
        if len(self._events) > MOST_EVENTS:
            self._events.popleft()
            self.dropped += 1

    def flush(self) -> None:
        """Hands over what waits, as far as the broker keeps up; never waits.

        To be called every few seconds at least: it also ends a connection that brings nothing.
        """
        self._end_silence()
        while self._under_way and _done(self._under_way[0][0]):
            self.sent += self._under_way.popleft()[1].counted
        while self.connected and len(self._under_way) < _MOST_UNDER_WAY:
            message = self._next()
            if message is None:
                return
            info = self._client.publish(
                message.topic, message.payload.encode("utf-8", "replace"), _QOS, message.retain
            )
            self._under_way.append((info, message))

    def finish(self) -> None:
        """Waits, for some seconds at most, until the broker has everything."""
        end_s = time.monotonic() + _FINISH_S
        self.flush()
        while self.connected and self._waits() and time.monotonic() < end_s:
            time.sleep(0.01)
            self.flush()

    def close(self) -> None:
        """Ends the connection in order; the will stays unsaid."""
        self._closing = True
        self._client.disconnect()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            log.warning("mqtt: %s still does not answer; left to itself", self._settings.place)

    def _waits(self) -> bool:
        return bool(self._states or self._events or self._under_way)

    def _end_silence(self) -> None:
        """Breaks off a connection whose broker says nothing at all; paho would wait for long."""
        opening = self._opening
        if opening is not None and self._clock() - opening[1] > _ANSWER_S:
            with suppress(OSError):  # it ended just then
                socket.socket.shutdown(opening[0], socket.SHUT_RDWR)  # TLS too, below it

    def _next(self) -> Message | None:
        if self._states:
            return self._states.pop(next(iter(self._states)))
        return self._events.popleft() if self._events else None

    def _new_client(self, delays_s: tuple[float, float]) -> Any:
        with needing("mqtt", "paho-mqtt>=2", "mqtt"):
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        settings = self._settings
        client = Client(CallbackAPIVersion.VERSION2)
        client.suppress_exceptions = True
        client.connect_timeout = _CONNECT_S
        client.username_pw_set(settings.user, settings.password)
        if settings.tls:
            self._encrypt(client)
        will = self._will
        client.will_set(will.topic, will.payload, _QOS, will.retain)
        client.reconnect_delay_set(*delays_s)
        client.max_inflight_messages_set(_MOST_UNDER_WAY)
        client.max_queued_messages_set(MOST_EVENTS)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(settings.host, settings.used_port, _KEEPALIVE_S)
        return client

    def _encrypt(self, client: Any) -> None:
        ca_file = self._settings.ca_file
        try:
            client.tls_set(ca_certs=None if ca_file is None else str(ca_file))
        except (OSError, ValueError) as problem:  # an SSLError is an OSError
            raise SinkFailed(
                f"mqtt: {ca_file} cannot be used as CA file ({problem.__class__.__name__}); give"
                " the certificates in PEM form"
            ) from problem

    def _serve(self) -> None:
        """Runs paho's loop; an error that paho does not expect costs one attempt, not the run."""
        while not self._closing:
            try:
                self._client.loop_forever(retry_first_connection=True)
            except Exception as problem:  # noqa: BLE001 - the run goes on without a broker
                self._lost(f"{problem.__class__.__name__}: {problem}")
                time.sleep(1.0)

    def _on_socket_open(self, client: Any, data: Any, plug: socket.socket) -> None:
        self._opening = (plug, self._clock())

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._opening = None
        if reason.is_failure:
            self._lost(f"refused: {reason}")
            return
        if self._closing:  # the call to end came while the connection was being made
            client.disconnect()
            return
        client.subscribe(self._will.topic, _QOS)
        self.connections += 1
        self.error = self._told = ""
        self._connected.set()
        log.info("mqtt: connected to %s", self._settings.place)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        """Hears the will of a dead run, or of our own connection before this one.

        It comes up to 1.5 keep-alives after the connection went. What was retained is older than
        all that this connection says, so it contradicts nothing.
        """
        if not message.retain and message.payload == self._will.payload.encode():
            self.contradicted += 1

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        problem = sys.exc_info()[1]  # paho calls this while it deals with the error
        self._lost(f"cannot be reached ({problem})" if problem else "cannot be reached")

    def _on_disconnect(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        why = _PLAINLY.get(str(reason), str(reason))
        opening, self._opening = self._opening, None
        if self._closing:
            pass
        elif self.connected:
            self._lost(f"lost: {why}")
        elif opening is not None:  # else it has refused us, which is said already
            silent = self._clock() - opening[1] > _ANSWER_S
            why = f"for {_ANSWER_S:g} s" if silent else why
            self._lost(f"takes the connection but gives no MQTT answer ({why})")
        self._connected.clear()

    def _lost(self, why: str) -> None:
        """Says each reason once, however often it is met in a row."""
        self._connected.clear()
        self.error = f"{self._settings.place}: {why}"
        if why != self._told:
            self._told = why
            log.warning("mqtt: broker %s; trying again", self.error)


def _done(info: Any) -> bool:
    """Says whether the broker has a message; one that paho will send again is still under way."""
    try:
        return bool(info.is_published())
    except (ValueError, RuntimeError):
        # The connection broke just then: paho keeps it and sends it with the next one.
        return True
