"""A client of the page: aiohttp's own, with a cookie jar and an end to every wait."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from edgescale.stream.web import WebSink

if TYPE_CHECKING:
    import aiohttp

Talk = Callable[["aiohttp.ClientSession"], Awaitable[Any]]


def talk(sink: WebSink, talking: Talk, **headers: str) -> Any:
    """Lets a client with a cookie jar talk to the page."""

    async def scene() -> Any:
        import aiohttp

        jar = aiohttp.CookieJar(unsafe=True)  # cookies of a number, not a name
        base = f"http://127.0.0.1:{sink.address.port}"
        limit = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(
            base, headers=headers, cookie_jar=jar, timeout=limit
        ) as client:
            return await talking(client)

    return asyncio.run(scene())
