"""Where an MQTT broker is and how to speak to it, checked before anything runs."""

import re
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import StreamError

PORT = 1883
TLS_PORT = 8883
PREFIX = "edgescale"
DISCOVERY_PREFIX = "homeassistant"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LONGEST_TOPIC = 200


@dataclass(frozen=True)
class MqttSettings:
    """How to reach a broker.

    Attributes:
        host: name or address of the broker.
        port: its TCP port; None is 1883, and 8883 with TLS.
        prefix: the first levels of all topics.
        user: None speaks without a name.
        password: for the user; never part of any text.
        tls: encrypt, and check the broker's certificate.
        ca_file: certificates to check it by; None takes the system's.
        discovery_prefix: where Home Assistant looks; empty leaves discovery out.
    """

    host: str
    port: int | None = None
    prefix: str = PREFIX
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    discovery_prefix: str = DISCOVERY_PREFIX

    def __post_init__(self) -> None:
        """Refuses what no broker takes.

        Raises:
            StreamError: a host that is none, a port out of range, a topic with wildcards, or a
                password without a user.
        """
        _check_host(self.host)
        if self.port is not None and not 0 < self.port < 65536:
            raise StreamError(f"mqtt: port {self.port} is not from 1 to 65535; leave it out")
        _check_topic("prefix", self.prefix)
        if self.discovery_prefix:
            _check_topic("discovery prefix", self.discovery_prefix)
        if self.password is not None and self.user is None:
            raise StreamError("mqtt: a password needs a user; give user too")
        if self.ca_file is not None and not self.tls:
            raise StreamError("mqtt: a CA file is for TLS; set tls = true, or leave it out")

    def __repr__(self) -> str:
        """Returns the place only: a password must not come into a log by accident."""
        return f"MqttSettings({self.place!r})"

    @property
    def place(self) -> str:
        """Returns host and port, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.used_port}"

    @property
    def used_port(self) -> int:
        """Returns the port, or the usual one."""
        return self.port or (TLS_PORT if self.tls else PORT)

    @property
    def exposed(self) -> bool:
        """Says whether a password would go over a network as plain text."""
        return self.password is not None and not self.tls and self.host not in _LOOPBACK


def parse_broker(text: str) -> tuple[str, int | None]:
    """Reads ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``.

    Raises:
        StreamError: it is none of these; what was given is not repeated, it may hold a password.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/@\s]+))(?::(\d{1,5}))?", text)
    if match is None:
        raise StreamError(
            "mqtt: the broker is not given as HOST or HOST:PORT; user, password and TLS have their"
            " own settings"
        )
    return match[1] or match[2], int(match[3]) if match[3] else None


def _check_host(host: str) -> None:
    try:
        name = host.encode("idna")
    except UnicodeError:
        name = b""
    if not name or re.search(r"[\s/@]", host):
        raise StreamError("mqtt: the broker's host is no name and no address; give e.g. 127.0.0.1")


def _check_topic(what: str, topic: str) -> None:
    good = re.fullmatch(r"[^/+#\x00-\x1f\x7f\s]+(?:/[^/+#\x00-\x1f\x7f\s]+)*", topic)
    if good is None or topic.startswith("$") or len(topic) > _LONGEST_TOPIC:
        raise StreamError(
            f"mqtt: the {what} is no plain topic; give words with / between them, such as"
            " edgescale/garden"
        )
