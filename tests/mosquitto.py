"""A real MQTT broker and a listener for tests, on a free port of this machine."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

# Debian installs the broker where only root's PATH looks.
_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_BROKER = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PATH)
_ALWAYS = "$SYS/broker/version"  # the broker keeps it, so it comes when the subscription stands
_LISTENER = shutil.which("mosquitto_sub") or shutil.which("mosquitto_sub", path=_PATH)
SUBSCRIBER = (_LISTENER or "mosquitto_sub",)

needs_mosquitto = pytest.mark.skipif(
    _BROKER is None or _LISTENER is None,
    reason="mosquitto or mosquitto_sub is not installed; make test-tools installs it",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], bool], *, timeout_s: float = 15.0) -> bool:
    """Waits for something that another thread or process does; False where it never came."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if true():
            return True
        time.sleep(0.02)
    return true()


class Mosquitto:
    """A broker that can be stopped and started again on the same port.

    Args:
        folder: for its configuration and log.
        lines: more lines of the configuration; without any everyone may come.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        # Started by root it would become a user who may not read the test's files.
        text = [f"listener {self.port} 127.0.0.1", "persistence false", "user root", *lines]
        if not any(line.startswith("allow_anonymous") for line in lines):
            text.append("allow_anonymous true")
        self._config.write_text("\n".join(text) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert _BROKER is not None
        self._process = subprocess.Popen(
            [_BROKER, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if not until(self._answers):
            self.stop()
            raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """mosquitto_sub on all topics, retained messages first.

    Attributes:
        messages: (topic, retained when it came, payload), in order.
    """

    def __init__(self, port: int, *options: str) -> None:
        self.messages: list[tuple[str, bool, str]] = []
        self._subscribed = threading.Event()
        self._process = subprocess.Popen(
            [*_all_topics(port), "-t", _ALWAYS, "-F", "%t\t%r\t%p", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        if not self._subscribed.wait(15):
            self.__exit__(None, None, None)
            raise AssertionError("mosquitto_sub does not listen")

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def got(self, topic: str) -> list[str]:
        """Returns the payloads of a topic so far."""
        return [payload for name, _, payload in self.messages if name == topic]

    def has(self, topic: str, payload: str | None = None, *, times: int = 1) -> bool:
        """Says whether so many messages of this topic have come, with this payload if given."""
        got = self.got(topic)
        return (len(got) if payload is None else got.count(payload)) >= times

    def waits_for(self, topic: str, payload: str | None = None, *, times: int = 1) -> bool:
        """Waits until so many messages have come."""
        return until(lambda: self.has(topic, payload, times=times))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            topic, retained, payload = line.rstrip("\n").split("\t", 2)
            if topic == _ALWAYS:
                self._subscribed.set()
            else:
                self.messages.append((topic, retained == "1", payload))


def retained(port: int, *options: str) -> dict[str, str]:
    """Returns what the broker keeps, by topic."""
    done = subprocess.run(
        [*_all_topics(port), "-F", "%t\t%p", "--retained-only", "-W", "1", *options],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def _all_topics(port: int) -> list[str]:
    assert _LISTENER is not None
    return [_LISTENER, "-h", "127.0.0.1", "-p", str(port), "-t", "#"]
