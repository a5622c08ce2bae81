"""Results to an MQTT broker, so that Home Assistant and others see what a camera sees.

``<prefix>/available`` says whether the run is there, ``<prefix>/stats`` how it goes, and each
source has ``classification``, ``state`` and ``event`` below its name. A broker that is away is
waited for; nothing here raises into the run.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from edgescale.device.session import rfc3339
from edgescale.stream.event import Event
from edgescale.stream.mqtt.home_assistant import discovery
from edgescale.stream.mqtt.link import BrokerLink, Message
from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.stream.mqtt.topics import Topics
from edgescale.stream.snapshot import Snapshot

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

log = logging.getLogger(__name__)

STATS_S = 60.0
CLASSIFICATION_S = 1.0  # between two messages of one source
_LONGEST_LABEL = 255


class Link(Protocol):
    """What the sink speaks through: a ``BrokerLink``, or a fake of it in tests."""

    connections: int
    contradicted: int
    dropped: int
    sent: int
    error: str

    @property
    def connected(self) -> bool:
        """Says whether the broker is there."""

    def put(self, message: Message) -> None:
        """Queues a message."""

    def flush(self) -> None:
        """Hands over what waits."""

    def finish(self) -> None:
        """Waits until it is there."""

    def close(self) -> None:
        """Ends the connection."""


@dataclass
class _Shown:
    """What a source's topic says, what it should say, and since when it may."""

    said: tuple[str | None, float | None] | None = None
    wanted: tuple[str | None, float | None] | None = None
    payload: str = ""
    next_s: float = 0.0


class MqttSink:
    """An output; see ``outputs.Sink``.

    Args:
        settings: of the broker.
        snapshot: the run as it is now.
        clock: in seconds, monotonic.
        link: None opens a ``BrokerLink``.
    """

    name = "mqtt"
    queue_size = 32
    always_live = True

    def __init__(
        self,
        settings: MqttSettings,
        snapshot: Callable[[], Snapshot],
        *,
        clock: Callable[[], float] = time.monotonic,
        link: Link | None = None,
    ) -> None:
        """Begins to connect.

        Raises:
            SinkFailed: paho-mqtt is not installed, or the CA file cannot be used.
        """
        self._settings, self._snapshot, self._clock = settings, snapshot, clock
        if settings.exposed:
            log.warning(
                "mqtt: the password goes to %s unencrypted, and who is on its way can read it; use"
                " TLS (--mqtt-tls, or tls = true)",
                settings.place,
            )
        self._topics = Topics(settings.prefix)
        self._link = link or BrokerLink(settings, Message(self._topics.available, "offline", True))
        self._heard = (0, 0)
        self._announced: dict[str, Message] = {}
        self._shown: dict[str, _Shown] = {}
        self._states: dict[str, str] = {}
        self._next_stats_s = 0.0

    @property
    def error(self) -> str:
        """Returns why the broker is not there; empty while it is."""
        return self._link.error

    @property
    def written(self) -> int:
        """Returns how many results and events the broker has."""
        return self._link.sent

    @property
    def dropped(self) -> int:
        """Returns how many events were never sent."""
        return self._link.dropped

    def result(self, result: "FrameResult") -> None:
        """Takes the best label of a source; it is sent when it changed, once a second at most."""
        best = result.predictions[0] if result.predictions else None
        shown = self._shown.setdefault(result.source, _Shown())
        label = None if best is None else best.label[:_LONGEST_LABEL]
        wanted = (label, None if best is None else round(best.score, 2))
        if wanted != shown.wanted:
            record = {
                "label": label,
                "score": None if best is None else round(best.score, 4),
                "time": result.time,
                "variant": result.variant,
                "predictions": [asdict(one) for one in result.predictions],
            }
            shown.wanted, shown.payload = wanted, json.dumps(record)
        if shown.wanted != shown.said:
            self._show(result.source, shown)
            self._link.flush()

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Sends what entered or left to the source's topic, everything else to the run's."""
        record = {
            "event_type": event.kind,
            "time": rfc3339(datetime.now(timezone.utc)),
            "text": event.text,
            **event.details,
        }
        source, topic = event.details.get("source"), self._topics.run_event
        if event.kind in ("entered", "left") and isinstance(source, str):
            topic = self._topics.event(source)
        self._link.put(Message(topic, json.dumps(record), counted=True))
        self._link.flush()

    def tick(self) -> None:
        """Says what changed; to a new connection, and to a foreign ``offline``, everything.

        Nobody answers an ``online``, and ticks are a second apart: two runs of one prefix cannot
        keep each other busy.
        """
        now, now_s = self._snapshot(), self._clock()
        heard = (self._link.connections, self._link.contradicted)
        if self._link.connected and heard != self._heard:
            self._heard = heard
            self._say_all_again(now_s)
        self._announce(now)
        for source in now.sources:
            self._say_state(source.name, source.state, source.present)
        for name, shown in self._shown.items():
            if shown.wanted != shown.said:
                self._show(name, shown)
        if now_s >= self._next_stats_s:
            self._next_stats_s = now_s + STATS_S
            self._link.put(Message(self._topics.stats, json.dumps(_statistics(now)), True))
        self._link.flush()

    def close(self) -> None:
        """Removes what was retained, says ``offline``, and ends the connection."""
        topics = self._topics
        for topic in [
            *self._announced,
            *(topics.classification(source) for source in self._shown),
            *(topics.state(source) for source in self._states),
            topics.stats,
        ]:
            self._link.put(Message(topic, "", True))
        self._link.put(Message(topics.available, "offline", True))
        self._link.finish()
        self._link.close()
        if self._link.dropped:
            log.warning("mqtt: %d events never reached the broker", self._link.dropped)

    def _say_all_again(self, now_s: float) -> None:
        """A broker that was restarted, or a run that ended, may have removed everything."""
        self._link.put(Message(self._topics.available, "online", True))
        self._announced.clear()
        self._states.clear()
        for shown in self._shown.values():
            shown.said, shown.next_s = None, now_s
        self._next_stats_s = now_s

    def _announce(self, now: Snapshot) -> None:
        if not self._settings.discovery_prefix or not now.sources:
            return
        names = [source.name for source in now.sources]
        for message in discovery(self._settings, self._topics, names, now.family):
            if self._announced.get(message.topic) != message:
                self._announced[message.topic] = message
                self._link.put(message)

    def _say_state(self, source: str, state: str, present: tuple[str, ...]) -> None:
        payload = json.dumps({"state": state, "present": [*present]})
        if self._states.get(source) != payload:
            self._states[source] = payload
            self._link.put(Message(self._topics.state(source), payload, True))

    def _show(self, source: str, shown: _Shown) -> None:
        now_s = self._clock()
        if now_s < shown.next_s:
            return
        shown.said, shown.next_s = shown.wanted, now_s + CLASSIFICATION_S
        topic = self._topics.classification(source)
        self._link.put(Message(topic, shown.payload, retain=True, counted=True))


def _statistics(now: Snapshot) -> dict[str, Any]:
    """Returns the figures of a run as plain values for JSON; None where there is none yet."""
    latency_ms = now.latency_ms or (None, None, None)
    return {
        "schema_version": 1,
        "time": now.time,
        "uptime_s": round(now.uptime_s, 1),
        "family": now.family,
        "variant": now.variant,
        "device": now.device,
        "runtime": now.runtime,
        "fps": _rounded(now.fps),
        "latency_p50_ms": _rounded(latency_ms[0]),
        "latency_p95_ms": _rounded(latency_ms[1]),
        "latency_p99_ms": _rounded(latency_ms[2]),
        "limit_ms": now.limit_ms,
        "temperature_c": now.temperature_c,
        "sources": {
            source.name: {
                "state": source.state,
                "frames": source.frames,
                "dropped": source.dropped,
                "fps": _rounded(source.fps),
                "camera_fps": _rounded(source.capture_fps),
                "outages": source.outages,
                "outage_s": _rounded(source.outage_s),
                "age_ms": _rounded(source.age_ms),
            }
            for source in now.sources
        },
        "sinks": {
            sink.name: {"written": sink.written, "dropped": sink.dropped, "error": sink.error}
            for sink in now.sinks
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
