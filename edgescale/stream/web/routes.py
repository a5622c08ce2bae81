"""What is answered at which address, and the door before it.

No GET changes anything: signing in and out are forms that are posted.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from edgescale.errors import EdgescaleError
from edgescale.stream.web.access import SESSION_S, Access, Asked, Verdict
from edgescale.stream.web.audience import Audience
from edgescale.stream.web.picture import Publisher
from edgescale.stream.web.responses import (
    HEADERS,
    file_response,
    redirect,
    static_response,
    static_text,
    stream_events,
    stream_pictures,
    text_response,
)
from edgescale.stream.web.watched import Watched

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM_BYTES = 4096
_FORM_S = 10.0
_AFTER_A_WRONG_TOKEN_S = 0.5
_WRONG = "<!-- wrong -->"
_WRONG_TOKEN = '<p class="wrong" role="alert">That is not the token of this run.</p>'

_FOREIGN = (
    "another site's page may not use this one; if that is a proxy's name for it, give that name"
    " with --web-name\n"
)

log = logging.getLogger(__name__)


class Routes:
    """Answers the requests of one run's page.

    Args:
        access: who may see what.
        port: part of the cookie's name, since cookies know no ports.
        run: what is watched.
        audience: those who watch.
        publisher: told which picture is watched.
    """

    def __init__(
        self, access: Access, port: int, run: Watched, audience: Audience, publisher: Publisher
    ) -> None:
        self._access, self._run = access, run
        self._audience, self._publisher = audience, publisher
        self._cookie = f"edgescale_{port}"

    def application(self) -> "web.Application":
        """Returns what aiohttp serves."""
        from aiohttp import web

        @web.middleware
        async def door(request: web.Request, handler: "Handler") -> web.StreamResponse:
            return await self._door(request, handler)

        async def dress(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(HEADERS)

        made = web.Application(middlewares=[door], client_max_size=_LARGEST_FORM_BYTES)
        made.on_response_prepare.append(dress)
        made.router.add_get("/", self._page)
        made.router.add_get("/static/{name}", self._static)
        made.router.add_get("/stream.mjpeg", self._picture, allow_head=False)
        made.router.add_get("/events", self._events, allow_head=False)
        made.router.add_get("/metrics", self._metrics)
        made.router.add_get("/healthz", self._health)
        made.router.add_get("/login", self._login_form)
        made.router.add_post("/login", self._login)
        made.router.add_post("/logout", self._logout)
        return made

    async def _door(self, request: "web.Request", handler: "Handler") -> "web.StreamResponse":
        from aiohttp import web

        verdict = self._access.verdict(self._asked(request), time.monotonic())
        if verdict is Verdict.WRONG_HOST:
            return text_response(421, "this name is not one of the page's; use its address\n")
        if verdict is Verdict.CROSS_SITE:
            return text_response(403, _FOREIGN)
        if verdict is Verdict.NEEDS_TOKEN:
            if request.path == "/" and request.method == "GET":
                return redirect("/login")
            return text_response(401, "a token is needed\n", {"WWW-Authenticate": "Bearer"})
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            return text_response(refusal.status, f"{refusal.reason.lower()}\n")
        except EdgescaleError as problem:
            return text_response(503, f"{problem}\n")
        except Exception:
            log.exception("the page could not answer %s", request.match_info.handler.__name__)
            return text_response(500, "something went wrong; the run's log says what\n")

    def _asked(self, request: "web.Request") -> Asked:
        headers = request.headers
        return Asked(
            method=request.method,
            path=request.path,
            hosts=tuple(headers.getall("Host", ())),
            authorization=headers.get("Authorization", ""),
            session=self._session(request),
            fetch_site=headers.get("Sec-Fetch-Site", ""),
            fetch_mode=headers.get("Sec-Fetch-Mode", ""),
            origins=tuple(headers.getall("Origin", ())),
        )

    def _session(self, request: "web.Request") -> str:
        return request.cookies.get(self._cookie, "")

    async def _page(self, request: "web.Request") -> "web.StreamResponse":
        return file_response(static_text("page.html"), ".html")

    async def _static(self, request: "web.Request") -> "web.StreamResponse":
        return static_response(request.match_info["name"])

    async def _health(self, request: "web.Request") -> "web.StreamResponse":
        if self._audience.health.serving():
            return text_response(200, "ok\n")
        return text_response(503, "not ok\n")

    async def _metrics(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        from edgescale.stream.metrics import CONTENT_TYPE, metrics_text

        return web.Response(
            body=metrics_text(self._run.snapshot()), headers={"Content-Type": CONTENT_TYPE}
        )

    async def _events(self, request: "web.Request") -> "web.StreamResponse":
        signed_in = self._access.has_session(self._session(request), time.monotonic())
        page = self._audience.open_page(sign_out=signed_in)
        if page is None:
            return _too_many()
        try:
            return await stream_events(request, page)
        finally:
            self._audience.pages.leave(page)

    async def _picture(self, request: "web.Request") -> "web.StreamResponse":
        names = [source.name for source in self._run.snapshot().sources]
        source = request.query.get("source", names[0] if names else "")
        if source not in names:
            return text_response(404, "no source of this run has that name\n")
        viewer = self._audience.pictures.join(source)
        if viewer is None:
            return _too_many()
        self._publisher.watch(source)
        try:
            return await stream_pictures(request, viewer)
        finally:
            self._publisher.unwatch(source)
            self._audience.pictures.leave(viewer)

    async def _login_form(self, request: "web.Request") -> "web.StreamResponse":
        if not self._access.needs_token:
            return redirect("/")
        return file_response(static_text("login.html"), ".html")

    async def _login(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web
        from aiohttp.http_exceptions import HttpProcessingError

        if request.content_type != _FORM:
            return text_response(415, "the token is sent as a form\n")
        try:
            body = await asyncio.wait_for(request.read(), _FORM_S)
        except asyncio.TimeoutError:
            return text_response(408, "the form did not come in time\n", {"Connection": "close"})
        except (web.RequestPayloadError, HttpProcessingError):
            return text_response(400, "the form cannot be read\n", {"Connection": "close"})
        token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        if not self._access.is_right(token):
            await asyncio.sleep(_AFTER_A_WRONG_TOKEN_S)
            wrong = static_text("login.html").replace(_WRONG, _WRONG_TOKEN)
            return file_response(wrong, ".html", status=401)
        reply = redirect("/")
        reply.set_cookie(
            self._cookie,
            self._access.open_session(time.monotonic()),
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
        )
        return reply

    async def _logout(self, request: "web.Request") -> "web.StreamResponse":
        self._access.end_session(self._session(request))
        reply = redirect("/login")
        reply.del_cookie(self._cookie)
        return reply


def _too_many() -> "web.Response":
    return text_response(503, "too many are watching; try again later\n", {"Retry-After": "10"})
