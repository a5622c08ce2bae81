"""MQTT against a real broker: what arrives, what stays, and a broker that goes and comes back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import SinkFailed
from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.mqtt.link import MOST_EVENTS, BrokerLink, Message
from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.stream.mqtt.sink import MqttSink
from tests.mosquitto import (
    SUBSCRIBER,
    Listener,
    Mosquitto,
    free_port,
    needs_mosquitto,
    retained,
    until,
)
from tests.snapshots import snapshot

pytestmark = needs_mosquitto
pytest.importorskip("paho.mqtt.client", reason="needs the mqtt extra")

WILL = Message("edgescale/available", "offline", True)
LABEL = "homeassistant/sensor/edgescale_label_door/config"
FAST_S = (0.1, 0.2)


class Result:
    """As much of a frame's result as the sink reads."""

    def __init__(self, label: str) -> None:
        self.predictions = (Prediction(0, label, 0.9),)
        self.source, self.variant, self.time = "door", "large", "2026-11-22T10:00:00.000Z"


@contextmanager
def sink(port: int, **settings: Any) -> Iterator[MqttSink]:
    wanted = MqttSettings("127.0.0.1", port, **settings)
    opened = MqttSink(wanted, snapshot, link=BrokerLink(wanted, WILL, delays_s=FAST_S))
    with closing(opened):
        yield opened


def ticked(
    one: MqttSink, listener: Listener, topic: str, payload: str | None = None, *, times: int = 1
) -> bool:
    """Lets the sink's seconds pass until a message has come, and so often."""

    def there() -> bool:
        one.tick()
        return listener.has(topic, payload, times=times)

    return until(there)


def test_results_events_and_discovery_arrive_and_a_clean_end_removes_them(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Listener(broker.port) as listener:
        with sink(broker.port) as one:
            # First, since a new connection is told again what was shown before it.
            assert ticked(one, listener, "edgescale/available", "online")
            one.result(Result("Katze\t\u00e4"))  # type: ignore[arg-type]
            one.event(Event("entered", "cat", {"source": "door", "label": "cat"}), None)
            assert listener.waits_for("edgescale/door/event")
            assert listener.waits_for("edgescale/stats")
            assert until(lambda: "edgescale/door/classification" in retained(broker.port))
            kept = retained(broker.port)
            assert json.loads(kept["edgescale/door/classification"])["label"] == "Katze\t\u00e4"
            config = json.loads(kept[LABEL])
            assert config["availability_topic"] == "edgescale/available"
            assert config["device"]["model"] == "birds"
            assert sum(topic.startswith("homeassistant/") for topic in kept) == 8
        assert (one.written, one.dropped) == (2, 0)
        assert retained(broker.port) == {"edgescale/available": "offline"}


def test_a_run_that_dies_is_told_as_offline_by_the_broker(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from edgescale.stream.mqtt.sink import MqttSink\n"
        "from edgescale.stream.mqtt.settings import MqttSettings\n"
        "from tests.snapshots import snapshot\n"
        "one = MqttSink(MqttSettings('127.0.0.1', {port}), snapshot)\n"
        "while True:\n"
        "    one.tick()\n"
        "    time.sleep(0.1)\n"
    )
    with Mosquitto(tmp_path) as broker, Listener(broker.port) as listener:
        process = subprocess.Popen([sys.executable, "-c", script.format(port=broker.port)])
        try:
            assert listener.waits_for("edgescale/available", "online")
            assert listener.waits_for(LABEL)
        finally:
            process.kill()
            process.wait(10)
        assert listener.waits_for("edgescale/available", "offline")
        assert LABEL in retained(broker.port)


def test_a_late_will_of_a_dead_run_does_not_stay(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Listener(broker.port) as listener:
        options = ("-h", "127.0.0.1", "-p", str(broker.port), "-t", "any", "--will-retain")
        dead = subprocess.Popen(
            [*SUBSCRIBER, *options, "--will-topic", WILL.topic, "--will-payload", WILL.payload]
        )
        try:
            with sink(broker.port) as one:
                assert ticked(one, listener, WILL.topic, "online")
                dead.kill()
                dead.wait(10)
                assert listener.waits_for(WILL.topic, "offline")
                assert ticked(one, listener, WILL.topic, "online", times=2)
                assert retained(broker.port)[WILL.topic] == "online"
            assert listener.waits_for(WILL.topic, "offline", times=2)
        finally:
            dead.kill()
            dead.wait(10)
        assert retained(broker.port) == {WILL.topic: "offline"}
        assert listener.got(WILL.topic) == ["online", "offline"] * 2


def test_a_second_run_of_the_prefix_that_ends_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port) as listener,
        sink(broker.port) as one,
    ):
        assert ticked(one, listener, LABEL)
        with sink(broker.port) as other:
            assert ticked(other, listener, LABEL, times=2)
        assert listener.waits_for(WILL.topic, "offline")
        assert ticked(one, listener, WILL.topic, "online", times=3)
        assert until(lambda: LABEL in retained(broker.port))
        assert retained(broker.port)[WILL.topic] == "online"


def test_a_broker_that_is_down_at_first_and_again_later_is_waited_for(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with sink(broker.port) as one:
        assert until(lambda: "cannot be reached" in one.error)
        one.tick()
        one.event(Event("entered", "early", {"source": "door"}), None)
        for run in range(2):
            with broker, Listener(broker.port) as listener:
                assert ticked(one, listener, "edgescale/available", "online")
                assert listener.waits_for(LABEL), run
                assert one.error == ""
                if run == 0:
                    assert ticked(one, listener, "edgescale/door/event")
            assert until(lambda: one.error != "")


def test_what_waits_for_a_broker_is_bounded() -> None:
    link = BrokerLink(MqttSettings("127.0.0.1", free_port()), WILL, delays_s=FAST_S)
    with closing(link):
        for number in range(MOST_EVENTS + 50):
            link.put(Message("edgescale/event", str(number)))
            link.put(Message("edgescale/state", str(number), True))
            link.flush()
        assert link.dropped == 50
        assert link.sent == 0


def test_a_password_is_asked_for_and_a_wrong_one_is_no_end(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool: list[str | Path] = ["mosquitto_passwd", "-b", "-c", passwords, "camera", "geheim"]
    subprocess.run(tool, check=True, capture_output=True, timeout=20)
    lines = ("allow_anonymous false", f"password_file {passwords}")
    options = ("-u", "camera", "-P", "geheim")
    with Mosquitto(tmp_path, *lines) as broker, Listener(broker.port, *options) as listener:
        with sink(broker.port, user="camera", password="falsch") as one:
            assert until(lambda: "Not authorized" in one.error)
            assert "falsch" not in one.error
            one.result(Result("cat"))  # type: ignore[arg-type]
            one.tick()
            assert one.written == 0
        with sink(broker.port, user="camera", password="geheim") as one:
            assert ticked(one, listener, "edgescale/available", "online")


def _certificate(folder: Path) -> tuple[Path, tuple[str, str]]:
    """Returns a certificate of 127.0.0.1 and the broker's lines that use it."""
    key, certificate = folder / "key.pem", folder / "ca.pem"
    command: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
               "-out", certificate]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    return certificate, (f"certfile {certificate}", f"keyfile {key}")


def test_tls_checks_the_broker_by_the_ca_file(tmp_path: Path) -> None:
    certificate, lines = _certificate(tmp_path)
    with (
        Mosquitto(tmp_path, *lines) as broker,
        Listener(broker.port, "--cafile", str(certificate)) as listener,
        sink(broker.port, tls=True, ca_file=certificate) as one,
    ):
        assert ticked(one, listener, "edgescale/available", "online")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
def test_tls_to_a_broker_that_is_not_trusted_is_no_connection(tmp_path: Path) -> None:
    _, lines = _certificate(tmp_path)
    with Mosquitto(tmp_path, *lines) as broker, sink(broker.port, tls=True) as one:
        assert until(lambda: "CERTIFICATE_VERIFY_FAILED" in one.error)


def test_a_ca_file_that_is_none_is_found_before_anything_runs(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    for path in (wrong, tmp_path / "missing"):
        settings = MqttSettings("127.0.0.1", 1, tls=True, ca_file=path)
        with pytest.raises(SinkFailed, match="cannot be used as CA file"):
            MqttSink(settings, snapshot)
