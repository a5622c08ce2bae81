"""One HTTP server in one thread: starts, serves and ends, whatever its viewers do.

aiohttp's loop lives in the thread that this file starts and joins. Foreign requests are never
logged: they may hold a token.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from edgescale.errors import SinkFailed
from edgescale.stream.extras import reason
from edgescale.stream.web.connections import Connections

if TYPE_CHECKING:
    from aiohttp import web

_LAST_S = 0.01  # the loop closes connections in its next round
_CLOSE_S = 1.0  # what a viewer who reads nothing is waited for at the end

log = logging.getLogger(__name__)
_unseen = logging.getLogger(f"{__name__}.requests")
_unseen.setLevel(logging.CRITICAL + 1)  # above all there is: whatever handler is attached


class Server:
    """Serves from the moment it is made until it is closed.

    Args:
        listening: the socket; it is closed with the server.
        application: makes what answers, in the server's thread.
        at_end: called in the server's thread before the viewers are let go.
    """

    def __init__(
        self,
        listening: socket.socket,
        application: "Callable[[], web.Application]",
        at_end: Callable[[], None],
    ) -> None:
        self._listening, self._application, self._at_end = listening, application, at_end
        self._problem: BaseException | None = None
        self._ended = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="page-server")
        self._thread.start()

    def soon(self, call: Callable[[], None]) -> None:
        """Lets the server's thread call something; does nothing when it has ended."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)

    def check(self) -> None:
        """Raises SinkFailed if the server broke down by itself."""
        if self._problem is not None:
            raise SinkFailed(
                f"the page's server broke down ({reason(self._problem)}); start the run again"
            ) from self._problem

    def close(self) -> None:
        """Lets the viewers go, cuts off who is stuck after a second, and ends the thread.

        Raises:
            SinkFailed: it broke down by itself, which a short run may not have asked for before.
        """
        self.soon(self._ended.set)
        self._thread.join()
        self.check()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._until_ended())
        except (OSError, ImportError) as problem:  # of this machine: the sentence says it all
            self._problem = problem
        except BaseException as problem:
            log.exception("the page's server broke down")
            self._problem = problem
        finally:
            self._listening.close()
            self._loop.close()

    async def _until_ended(self) -> None:
        from aiohttp import web

        application = self._application()
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=_unseen,
            handler_cancellation=True,
            shutdown_timeout=2 * _CLOSE_S,  # those who are stuck are cut off before
        )
        connections = Connections(lambda: cast("web.Server", runner.server)())

        @web.middleware
        async def heard(request: web.Request, handler: Any) -> web.StreamResponse:
            connections.asked(request.transport)
            answer: web.StreamResponse = await handler(request)
            return answer

        application.middlewares.insert(0, heard)
        await runner.setup()
        serving = await self._loop.create_server(connections, sock=self._listening)
        try:
            await self._ended.wait()
            self._at_end()
        finally:
            serving.close()
            self._loop.call_later(_CLOSE_S, connections.abort)
            await runner.cleanup()
            connections.abort()  # one that still has something to send would outlive the loop
            await _let_end()


async def _let_end() -> None:
    """Lets the loop close what was cut off, and waits for the tasks that served it."""
    await asyncio.sleep(_LAST_S)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=_CLOSE_S)
