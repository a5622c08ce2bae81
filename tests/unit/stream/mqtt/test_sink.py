"""What is said over MQTT and when; the broker is a fake here."""

import json
from typing import Any

import pytest

from edgescale.errors import StreamError
from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.mqtt.link import Message
from edgescale.stream.mqtt.settings import MqttSettings, parse_broker
from edgescale.stream.mqtt.sink import MqttSink
from edgescale.stream.mqtt.topics import safe_part
from edgescale.stream.snapshot import Snapshot
from tests.snapshots import snapshot, source


class FakeLink:
    """A broker that notes what it is given."""

    def __init__(self) -> None:
        self.connections, self.contradicted = 1, 0
        self.dropped, self.error = 0, ""
        self.connected, self.sent = True, 0
        self.messages: list[Message] = []
        self.ended: list[str] = []

    def put(self, message: Message) -> None:
        self.messages.append(message)

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        self.ended.append("finished")

    def close(self) -> None:
        self.ended.append("closed")

    def taken(self, topic: str = "") -> list[Message]:
        """Returns the messages since the last call whose topic ends like this."""
        messages, self.messages = self.messages, []
        return [message for message in messages if message.topic.endswith(topic)]


class Result:
    """As much of a frame's result as the sink reads."""

    def __init__(self, label: str | None, score: float = 0.9, source: str = "door") -> None:
        found = () if label is None else (Prediction(0, label, score),)
        self.predictions: tuple[Prediction, ...] = found
        self.source, self.variant, self.time = source, "large", "2026-11-22T10:00:00.000Z"


class Broker:
    """A sink with its fakes."""

    def __init__(self, **changes: Any) -> None:
        self.now_s = 100.0
        self.snapshot: Snapshot = snapshot(**changes)
        self.link = FakeLink()
        self.sink = MqttSink(
            MqttSettings("broker", prefix="home/cams"),
            lambda: self.snapshot,
            clock=lambda: self.now_s,
            link=self.link,
        )

    def show(self, label: str | None, score: float = 0.9) -> None:
        self.sink.result(Result(label, score))  # type: ignore[arg-type]


def labels(messages: list[Message]) -> list[Any]:
    return [json.loads(message.payload)["label"] for message in messages]


def test_a_label_is_sent_on_change_at_most_once_a_second_and_the_last_one_always() -> None:
    broker = Broker()
    broker.sink.tick()
    broker.show("cat")
    broker.show("cat")
    (message,) = broker.link.taken("classification")
    record = json.loads(message.payload)
    assert (message.topic, message.retain) == ("home/cams/door/classification", True)
    assert (record["label"], record["score"], record["variant"]) == ("cat", 0.9, "large")
    broker.show("dog")
    broker.now_s += 0.9
    broker.show("bird")
    broker.sink.tick()
    assert broker.link.taken("classification") == []
    broker.now_s += 0.1
    broker.sink.tick()
    assert labels(broker.link.taken("classification")) == ["bird"]
    broker.now_s += 5
    broker.show("bird", score=0.9001)
    broker.sink.tick()
    assert broker.link.taken("classification") == []
    broker.show(None)
    assert labels(broker.link.taken("classification")) == [None]


def test_a_label_that_came_back_within_the_second_is_not_sent_again() -> None:
    broker = Broker()
    broker.sink.tick()
    broker.show("cat")
    broker.show("dog")
    broker.show("cat")
    broker.now_s += 1
    broker.link.taken()
    broker.sink.tick()
    assert broker.link.taken("classification") == []


def test_statistics_each_minute() -> None:
    broker = Broker()
    broker.sink.tick()
    (message,) = broker.link.taken("/stats")
    record = json.loads(message.payload)
    assert record["latency_p95_ms"] == 16
    assert record["sources"]["door"]["outages"] == 2
    broker.now_s += 59
    broker.sink.tick()
    assert broker.link.taken("/stats") == []
    broker.now_s += 1
    broker.sink.tick()
    assert len(broker.link.taken("/stats")) == 1


def test_what_entered_and_left_goes_to_the_source_and_the_rest_to_the_run() -> None:
    broker = Broker()
    details = {"source": "door", "label": "cat", "score": 0.9}
    broker.sink.event(Event("entered", "cat entered", details), None)
    broker.sink.event(Event("source-lost", "door: lost", {"source": "door"}), None)
    entered, lost = broker.link.taken()
    assert (entered.topic, entered.retain) == ("home/cams/door/event", False)
    record = json.loads(entered.payload)
    assert (record["event_type"], record["label"]) == ("entered", "cat")
    assert lost.topic == "home/cams/event"


def test_state_and_presence_are_said_on_change() -> None:
    broker = Broker()
    broker.sink.tick()
    (state,) = broker.link.taken("door/state")
    assert json.loads(state.payload) == {"state": "playing", "present": ["cat"]}
    broker.sink.tick()
    assert broker.link.taken("door/state") == []
    broker.snapshot = snapshot(sources=(source(state="lost", present=()),))
    broker.sink.tick()
    (state,) = broker.link.taken("door/state")
    assert json.loads(state.payload) == {"state": "lost", "present": []}


def test_a_new_connection_is_told_everything_again() -> None:
    broker = Broker()
    broker.sink.tick()
    broker.show("cat")
    first = {message.topic: message.payload for message in broker.link.taken()}
    assert first["home/cams/available"] == "online"
    broker.sink.tick()
    assert broker.link.taken() == []
    broker.link.connections += 1
    broker.sink.tick()
    again = {message.topic: message.payload for message in broker.link.taken()}
    assert again == first


def test_a_foreign_offline_is_answered_with_everything_but_not_at_the_own_end() -> None:
    broker = Broker()
    broker.sink.tick()
    broker.show("cat")
    first = {message.topic: message.payload for message in broker.link.taken()}
    broker.link.contradicted += 7  # however many came since the last tick
    broker.sink.tick()
    again = {message.topic: message.payload for message in broker.link.taken()}
    assert again == first
    assert again["home/cams/available"] == "online"
    broker.sink.tick()
    assert broker.link.taken() == []
    broker.link.contradicted += 1
    broker.link.connected = False
    broker.sink.tick()
    assert broker.link.taken("available") == []
    broker.link.connected = True
    broker.sink.close()
    assert {message.payload for message in broker.link.taken("available")} == {"offline"}


def test_a_clean_end_leaves_nothing_but_offline() -> None:
    broker = Broker()
    broker.sink.tick()
    broker.show("cat")
    retained = {message.topic for message in broker.link.taken() if message.retain}
    broker.sink.close()
    last = broker.link.taken()
    assert {message.topic for message in last} == retained
    assert last[-1] == Message("home/cams/available", "offline", True)
    assert {message.payload for message in last[:-1]} == {""}
    assert broker.link.ended == ["finished", "closed"]


def test_events_that_never_arrived_are_told_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker()
    broker.link.dropped = 3
    broker.sink.close()
    assert "3 events never reached the broker" in caplog.text


def test_home_assistant_finds_every_entity_as_one_device() -> None:
    broker = Broker(sources=(source(), source(name="rtsp://garden/1"), source(name="fps")))
    broker.sink.tick()
    found = [m for m in broker.link.taken("/config") if m.topic.startswith("homeassistant/")]
    assert all(message.retain for message in found)
    assert len({message.topic for message in found}) == len(found) == 3 * 5 + 3
    configs = [json.loads(message.payload) for message in found]
    assert len({config["unique_id"] for config in configs}) == len(found)
    assert len({json.dumps(config["device"]) for config in configs}) == 1
    assert {config["availability_topic"] for config in configs} == {"home/cams/available"}
    label = next(config for config in configs if config["name"] == "door")
    assert label["state_topic"] == "home/cams/door/classification"
    kinds = {message.topic.split("/")[1] for message in found}
    assert kinds == {"sensor", "binary_sensor", "event"}


def test_names_become_safe_parts_that_never_meet() -> None:
    assert safe_part("front-door_1") == "front-door_1"
    hostile = ["a/b", "a_b", "a#b", "a+b", "+", "#", "", "ä", "\x00", "a b", "x" * 300, "x" * 301]
    parts = [safe_part(name) for name in hostile]
    assert len(set(parts)) == len(hostile)
    for part in parts:
        assert part.replace("_", "").replace("-", "").isalnum()
        assert part.isascii()
        assert len(part) < 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("broker", ("broker", None)),
        ("10.0.0.2:1884", ("10.0.0.2", 1884)),
        ("[fe80::1]:1883", ("fe80::1", 1883)),
        ("[::1]", ("::1", None)),
    ],
)
def test_a_broker_is_read(text: str, found: tuple[str, int | None]) -> None:
    assert parse_broker(text) == found


@pytest.mark.parametrize("text", ["", "user:secret@broker", "mqtt://broker", "a:b", "::1", "a b"])
def test_what_is_no_broker_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(StreamError) as caught:
        parse_broker(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"host": "a" * 70}, "no name and no address", id="host"),
        pytest.param({"port": 0}, "not from 1 to 65535", id="port 0"),
        pytest.param({"prefix": "a/#"}, "no plain topic", id="wildcard"),
        pytest.param({"prefix": "$SYS"}, "no plain topic", id="of the broker"),
        pytest.param({"prefix": ""}, "no plain topic", id="empty"),
        pytest.param({"discovery_prefix": "a//b"}, "discovery prefix", id="empty level"),
        pytest.param({"password": "secret"}, "needs a user", id="no user"),
    ],
)
def test_settings_that_no_broker_takes(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StreamError, match=said):
        MqttSettings(**{"host": "broker", **changes})


def test_the_password_is_in_no_text() -> None:
    settings = MqttSettings("broker", user="me", password="secret", tls=True)
    assert "secret" not in f"{settings!r} {settings}"
    assert settings.place == "broker:8883"
    assert not settings.exposed
    assert MqttSettings("broker", user="me", password="secret").exposed


@pytest.mark.parametrize(("host", "warned"), [("broker", 1), ("127.0.0.1", 0)])
def test_a_password_without_encryption_over_a_network_is_warned_of(
    caplog: pytest.LogCaptureFixture, host: str, warned: int
) -> None:
    MqttSink(MqttSettings(host, user="me", password="geheim"), snapshot, link=FakeLink())
    assert sum("unencrypted" in line for line in caplog.messages) == warned
    assert "geheim" not in caplog.text
