"""The page as one of a run's outputs: takes results, and shows them to whoever watches."""

import socket
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgescale.stream.event import Event
from edgescale.stream.extras import needing
from edgescale.stream.web.access import Access
from edgescale.stream.web.address import Address, listen, parse_address
from edgescale.stream.web.audience import Audience
from edgescale.stream.web.picture import Publisher
from edgescale.stream.web.routes import Routes
from edgescale.stream.web.server import Server
from edgescale.stream.web.watched import Watched

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

_ANSWER_STEP_S = 0.2


class WebSink:
    """Serves the page, ``/metrics`` and ``/healthz`` of one run until it is closed.

    Args:
        address: ``[HOST:]PORT``; without a host only this machine reaches it, port 0 lets the
            system choose.
        token: what viewers must show; needed for any address but loopback.
        monitor: the run that is watched.
        pauses_s: how long results may stay away, because the user wants few, before it counts as
            not serving: seconds by source, 30 at least.
        names: more names of the page's host, as a proxy or the network has them.

    Attributes:
        address: where it listens, with the port that the system chose.

    Raises:
        SinkFailed: no such address, the port is in use, a token that is missing or can be guessed,
            a name that is none, or aiohttp is not installed or does not work.
    """

    name = "page"
    queue_size = 4
    always_live = True  # the newest is what a page shows: it never holds a file back

    def __init__(
        self,
        address: str,
        token: str | None,
        monitor: Watched,
        *,
        pauses_s: Mapping[str, float] = MappingProxyType({}),
        names: Sequence[str] = (),
    ) -> None:
        where = parse_address(address)
        access = Access(where, token, names)
        _check_aiohttp()
        listening = listen(where)
        self.address = Address(where.host, listening.getsockname()[1])
        self._run, self._audience = monitor, Audience(monitor, pauses_s)
        self._publisher = Publisher(monitor, self._show)
        routes = Routes(access, self.address.port, monitor, self._audience, self._publisher)
        self._server = Server(listening, routes.application, self._audience.end)
        self._answered_s: dict[str, float] = {}

    @property
    def url(self) -> str:
        """Returns the address for a browser; the token is never part of it."""
        here = self.address
        if here.wildcard:  # no browser elsewhere gets anywhere with 0.0.0.0
            here = Address(socket.gethostname().lower(), here.port)
        return f"http://{here.text}/"

    @property
    def pictures_encoded(self) -> int:
        """Returns how many pictures were encoded, for however many viewers."""
        return self._publisher.encoded

    def result(self, result: "FrameResult") -> None:
        """Shows an answer to those who watch, at most five times a second for each source."""
        now_s = time.monotonic()
        if now_s - self._answered_s.get(result.source, 0.0) >= _ANSWER_STEP_S:
            self._answered_s[result.source] = now_s
            source, predictions = result.source, result.predictions
            self._server.soon(lambda: self._audience.answer(source, predictions))

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Shows at once what happened: it is part of the snapshot."""
        self.tick()

    def tick(self) -> None:
        """Takes a snapshot for the page, its charts and the health check.

        Raises:
            SinkFailed: the server broke down.
        """
        self._server.check()
        snapshot = self._run.snapshot()
        self._server.soon(lambda: self._audience.observe(snapshot))

    def close(self) -> None:
        """Shows the end to those who watch, and stops serving.

        Raises:
            SinkFailed: the server broke down before.
        """
        self._publisher.close()
        self._server.close()

    def _show(self, source: str, jpeg: bytes) -> None:
        self._server.soon(lambda: self._audience.picture(source, jpeg))


def _check_aiohttp() -> None:
    """Imports it here: in the server's thread a broken one would be found when the run goes on."""
    with needing("the page", "aiohttp", "web"):
        from aiohttp import web  # noqa: F401 - the import is the question
