"""Tells systemd that the run has begun, still goes on and ends, over its notify socket.

A service of ``Type=notify`` counts as started when READY=1 came, and with ``WatchdogSec=`` is
started again when WATCHDOG=1 stays away. The protocol is one datagram of text, so no library is
needed (sd_notify(3)).
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from edgescale.stream.event import Event
from edgescale.stream.silence import Silence
from edgescale.stream.snapshot import Snapshot

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

log = logging.getLogger(__name__)

_LONGEST_STATUS = 200
_PATIENCE_S = 1.0  # for a socket whose queue is full


class Notifier:
    """Sends what systemd wants to know; does nothing where no socket is set.

    Args:
        environment: with ``NOTIFY_SOCKET``: a path, or a name with ``@`` before it (abstract).
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = f"\0{self._address[1:]}"

    @property
    def wanted(self) -> bool:
        """Says whether someone listens."""
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Sends assignments such as ``READY=1``; a socket that is gone ends no run."""
        if not self.wanted:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(_PATIENCE_S)
                out.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except OSError as problem:
            log.debug("systemd could not be told: %s", problem)

    def status(self, text: str) -> None:
        """Sends a line that ``systemctl status`` shows."""
        plain = "".join(char if char.isprintable() else "?" for char in text)
        self.tell(f"STATUS={plain[:_LONGEST_STATUS]}")


class NotifySink:
    """Tells systemd once a second how the run goes; an output like the others.

    WATCHDOG=1 is sent when a result came since the second before, when no source plays, and in the
    pause that a user makes who wants few pictures. It stays away otherwise. So it is WatchdogSec=
    alone that says how long a run that hangs is left alone, counted from its last result, or from
    the end of that pause: any patience of our own would come on top of what the user wrote there.
    """

    name = "systemd"
    queue_size = 8
    always_live = True

    def __init__(
        self,
        notifier: Notifier,
        snapshot: Callable[[], Snapshot],
        pauses_s: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes what to tell, where to read it, and how long results of a source may stay away."""
        self._notifier, self._snapshot = notifier, snapshot
        self._silence = Silence(pauses_s, clock)
        self._ready = False
        self._status = ""

    def result(self, result: "FrameResult") -> None:
        """Says with the first result that the run has begun."""
        self._tell_ready()

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Shows what happened."""
        self._notifier.status(f"{event.kind}: {event.text}")
        self._status = ""  # so that the next second shows the rates again

    def tick(self) -> None:
        """Sends rate and states, and that the run goes on."""
        now = self._snapshot()
        if any(source.state != "opening" for source in now.sources):
            self._tell_ready()
        status = _status(now)
        if status != self._status:
            self._status = status
            self._notifier.status(status)
        if self._silence.observe(now) <= self._silence.wanted_s:
            self._notifier.tell("WATCHDOG=1")

    def close(self) -> None:
        """Says that the run ends; files are finished after that."""
        self._notifier.tell("STOPPING=1")

    def _tell_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._notifier.tell("READY=1")


def _status(now: Snapshot) -> str:
    rate = "no results yet" if now.fps is None else f"{now.fps:.0f} fps"
    away = [source.name for source in now.sources if source.state == "lost"]
    return f"{now.variant or 'starting'}, {rate}" + (f", lost: {', '.join(away)}" if away else "")
