"""The open connections of the page, and never so many that the cameras find no descriptor left."""

import asyncio
import resource
from collections.abc import Callable

HEAD_S = 10.0  # for the first complete request
_MOST = 96
_SHARE = 4  # of the descriptors that this process may have


class Connections:
    """Makes what speaks on each new connection; for the server's thread.

    Args:
        make: makes aiohttp's part.
        most: so many may be open; None takes 96, or a quarter of the process's descriptors.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], most: int | None = None) -> None:
        self._make, self._most = make, most or _most_here()
        self._open: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def __call__(self) -> asyncio.Protocol:
        """Returns the protocol of a connection that was accepted just now."""
        return _Connection(self._make(), self)

    def begin(self, plug: asyncio.BaseTransport) -> None:
        """Counts a connection in; one too many is cut off, and one that asks nothing in time."""
        if len(self._open) >= self._most:
            _abort(plug)
        late = asyncio.get_running_loop().call_later(HEAD_S, _abort, plug)
        self._open[plug] = late

    def asked(self, plug: asyncio.BaseTransport | None) -> None:
        """Takes note of a complete request."""
        if plug in self._open:
            self._open[plug].cancel()

    def end(self, plug: asyncio.BaseTransport | None) -> None:
        """Counts a connection out."""
        if plug is not None and (late := self._open.pop(plug, None)) is not None:
            late.cancel()

    def abort(self) -> None:
        """Cuts all off, whatever they still have to send."""
        for plug in list(self._open):
            _abort(plug)


class _Connection(asyncio.Protocol):
    """Passes everything on, and tells when it begins and ends."""

    def __init__(self, inner: asyncio.Protocol, all_of_them: Connections) -> None:
        self._inner, self._all = inner, all_of_them
        self._plug: asyncio.BaseTransport | None = None
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._plug = transport
        self._inner.connection_made(transport)
        self._all.begin(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.end(self._plug)
        self._inner.connection_lost(exc)


def _most_here() -> int:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if allowed < 0 else min(_MOST, max(8, allowed // _SHARE))


def _abort(plug: asyncio.BaseTransport) -> None:
    if isinstance(plug, asyncio.WriteTransport):
        plug.abort()
