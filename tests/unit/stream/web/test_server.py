"""The page over HTTP, asked by a client of its own: who gets in, what comes with each answer."""

import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.web import WebSink
from edgescale.stream.web.routes import Routes
from tests.page_client import talk
from tests.watched_run import WatchedRun

if TYPE_CHECKING:
    import aiohttp

pytest.importorskip("aiohttp", reason="needs the web extra")
cv2 = pytest.importorskip("cv2")

TOKEN = "a token of some length"
PATHS = [
    "/",
    "/events",
    "/stream.mjpeg",
    "/metrics",
    "/healthz",
    "/login",
    "/static/page.css",
    "/x",
]


@pytest.fixture
def secured(run: WatchedRun) -> Iterator[WebSink]:
    sink = WebSink("0.0.0.0:0", TOKEN, run)
    yield sink
    sink.close()


def status_of(sink: WebSink, path: str, method: str = "GET", **headers: str) -> int:
    async def ask(client: "aiohttp.ClientSession") -> int:
        async with client.request(method, path, allow_redirects=False) as reply:
            return reply.status

    status: int = talk(sink, ask, **headers)
    return status


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_strict_headers(page: WebSink, path: str) -> None:
    async def ask(client: "aiohttp.ClientSession") -> dict[str, str]:
        async with client.get(path, allow_redirects=False) as reply:
            return dict(reply.headers)

    headers = talk(page, ask)
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Server"] == "edgescale"


def test_loopback_needs_no_token_and_a_foreign_name_is_refused(page: WebSink) -> None:
    assert status_of(page, "/") == 200
    assert status_of(page, "/login") == 303
    for path in PATHS:
        assert status_of(page, path, Host="evil.example") == 421
    assert status_of(page, "/stream.mjpeg", **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_behind_a_proxy_its_name_is_answered_with_the_token_only(run: WatchedRun) -> None:
    with closing(WebSink("127.0.0.1:0", TOKEN, run, names=("cam.example.lan",))) as page:
        for host, status in (("cam.example.lan", 303), ("evil.example", 421)):
            forwarded = {"Host": host, "X-Forwarded-Host": "cam.example.lan"}
            assert status_of(page, "/", **forwarded) == status
        known = {"Host": "cam.example.lan", "Authorization": f"Bearer {TOKEN}"}
        assert status_of(page, "/", **known) == 200


def test_with_a_token_everything_else_asks_for_it(secured: WebSink) -> None:
    asked = {path: status_of(secured, path) for path in PATHS}
    assert asked == {
        "/": 303, "/events": 401, "/stream.mjpeg": 401, "/metrics": 401, "/healthz": 503,
        "/login": 200, "/static/page.css": 200, "/x": 401,
    }  # fmt: skip
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert status_of(secured, "/metrics", **right) == 200
    assert status_of(secured, "/x", **right) == 404
    assert status_of(secured, f"/metrics?token={TOKEN}") == 401
    assert status_of(secured, "/metrics", Authorization="Bearer wrong") == 401


def test_a_form_exchanges_the_token_for_a_cookie(
    secured: WebSink, caplog: pytest.LogCaptureFixture
) -> None:
    async def sign_in_and_out(client: "aiohttp.ClientSession") -> list[int]:
        async def ask(path: str) -> int:
            async with client.get(path, allow_redirects=False) as reply:
                return reply.status

        async with client.post("/login", data={"token": TOKEN}, allow_redirects=False) as reply:
            cookie = reply.headers["Set-Cookie"]
            seen = [reply.status]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        seen.append(await ask("/"))
        seen.append(await ask("/logout"))  # nothing is changed by asking
        seen.append(await ask("/metrics"))
        async with client.post("/logout", allow_redirects=False) as reply:
            seen.append(reply.status)
        client.cookie_jar.update_cookies({cookie.split("=")[0]: cookie.split("=")[1].split(";")[0]})
        seen.append(await ask("/metrics"))
        return seen

    with caplog.at_level(logging.DEBUG):
        assert talk(secured, sign_in_and_out) == [303, 200, 405, 200, 303, 401]
    assert TOKEN not in caplog.text


def test_a_wrong_token_is_told_and_opens_nothing(secured: WebSink) -> None:
    async def try_it(client: "aiohttp.ClientSession") -> tuple[int, str, bool]:
        async with client.post("/login", data={"token": "<b>wrong</b>"}) as reply:
            return reply.status, await reply.text(), "Set-Cookie" in reply.headers

    status, text, cookie = talk(secured, try_it)
    assert (status, cookie) == (401, False)
    assert "That is not the token of this run." in text
    assert "<b>" not in text


def test_forms_are_small_and_forms(secured: WebSink) -> None:
    async def send(client: "aiohttp.ClientSession") -> list[int]:
        import aiohttp

        files = aiohttp.FormData(default_to_multipart=True)
        files.add_field("token", TOKEN)
        statuses = []
        for body in ({"token": "x" * 10_000}, files, b"token=" + TOKEN.encode()):
            async with client.post("/login", data=body, allow_redirects=False) as reply:
                statuses.append(reply.status)
        return statuses

    assert talk(secured, send) == [413, 415, 415]


@pytest.mark.parametrize("path", ["/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static/"])
def test_only_our_own_files_are_served(page: WebSink, path: str) -> None:
    assert status_of(page, path) == 404


@pytest.mark.parametrize("path", ["/", "/events", "/stream.mjpeg", "/metrics", "/healthz"])
def test_nothing_but_signing_in_and_out_is_posted(page: WebSink, path: str) -> None:
    assert {status_of(page, path, method) for method in ("POST", "PUT", "DELETE")} == {405}


def test_health_says_ok_and_no_more(page: WebSink, run: WatchedRun) -> None:
    async def ask(client: "aiohttp.ClientSession") -> tuple[int, str]:
        async with client.get("/healthz") as reply:
            return reply.status, await reply.text()

    assert talk(page, ask) == (503, "not ok\n")
    page.tick()
    assert talk(page, ask) == (200, "ok\n")


def test_metrics_are_those_of_the_snapshot(page: WebSink) -> None:
    parser = pytest.importorskip("prometheus_client.parser")

    async def ask(client: "aiohttp.ClientSession") -> str:
        async with client.get("/metrics") as reply:
            return await reply.text()

    assert list(parser.text_string_to_metric_families(talk(page, ask)))


def test_a_source_that_is_none_has_no_picture(page: WebSink) -> None:
    assert status_of(page, "/stream.mjpeg?source=cellar") == 404


def test_without_aiohttp_one_sentence_says_what_to_install(
    run: WatchedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(SinkFailed, match=r"is missing: pip install 'edgescale\[web\]'"):
        WebSink("0", None, run)


def test_a_broken_aiohttp_is_told_before_anything_is_served(
    run: WatchedRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "aiohttp"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "aiohttp.py").write_text("raise ImportError('undefined symbol\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    said = (
        r"does not work \(ImportError: undefined symbol\): pip install --force-reinstall aiohttp$"
    )
    with pytest.raises(SinkFailed, match=said):
        WebSink("0", None, run)
    assert not [one for one in threading.enumerate() if one.name == "page-server"]


@pytest.mark.parametrize(
    ("problem", "logged"), [(OSError("no memory"), 0), (KeyError(), 1), (SystemExit(3), 1)]
)
def test_a_server_that_broke_down_is_told_at_the_end_at_the_latest(
    run: WatchedRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    problem: BaseException,
    logged: int,
) -> None:
    monkeypatch.setattr(Routes, "application", Mock(side_effect=problem))
    page = WebSink("127.0.0.1:0", None, run)
    said = f"the page's server broke down ({type(problem).__name__}"
    with pytest.raises(SinkFailed, match=re.escape(said)):
        page.close()
    assert len(caplog.messages) == logged  # what only a mistake of ours explains


def test_a_foreign_page_signs_nobody_in_or_out(secured: WebSink) -> None:
    async def post(client: "aiohttp.ClientSession") -> list[int]:
        own = f"http://127.0.0.1:{secured.address.port}"
        statuses = []
        for origin in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": own}, {}):
            for path in ("/login", "/logout"):
                async with client.post(
                    path, data={"token": TOKEN}, headers=origin, allow_redirects=False
                ) as reply:
                    statuses.append(reply.status)
        return statuses

    assert talk(secured, post) == [403] * 4 + [303] * 4


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param("", b"token=\xff\xfe", 401, id="no UTF-8"),
        pytest.param("; charset=foo", b"token=x", 401, id="no charset"),
        pytest.param("\r\nContent-Encoding: gzip", b"garbage", 400, id="no gzip"),
        pytest.param("\r\nX-Y: z", b"", 408, id="stalls"),
    ],
)
def test_a_form_that_cannot_be_read_writes_nothing_into_the_log(
    secured: WebSink,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    headers: str,
    body: bytes,
    status: int,
) -> None:
    monkeypatch.setattr("edgescale.stream.web.routes._FORM_S", 0.2)
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
    head += "application/x-www-form-urlencoded"
    length = f"\r\nContent-Length: {len(body) or 9}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", secured.address.port), 5) as plug:
        plug.sendall(f"{head}{headers}{length}".encode() + body)
        assert plug.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
    assert caplog.messages == []


def test_who_asks_nothing_is_cut_off(run: WatchedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgescale.stream.web.connections.HEAD_S", 0.2)
    monkeypatch.setattr("edgescale.stream.web.connections._MOST", 4)
    with closing(WebSink("127.0.0.1:0", None, run)) as page, ExitStack() as stack:
        where = ("127.0.0.1", page.address.port)
        silent = [stack.enter_context(socket.create_connection(where, 5)) for _ in range(8)]
        for plug in silent:
            with suppress(ConnectionResetError):
                assert plug.recv(1) == b""
        assert status_of(page, "/") == 200


def test_the_address_for_a_browser_names_the_host(secured: WebSink) -> None:
    assert secured.url == f"http://{socket.gethostname().lower()}:{secured.address.port}/"
