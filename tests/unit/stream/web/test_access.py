"""Who may see what: the rules as a table."""

import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.web.access import SESSION_S, Access, Asked, Verdict
from edgescale.stream.web.address import Address

TOKEN = "0123456789abcdef"
LOOPBACK, ALL = Address("127.0.0.1", 8080), Address("0.0.0.0", 8080)
NAMED = Address("cam.example", 8080)


@pytest.mark.parametrize(
    ("address", "host", "allowed"),
    [
        (LOOPBACK, "localhost:8080", True),
        (LOOPBACK, "127.0.0.1:8080", True),
        (LOOPBACK, "127.0.0.1", True),
        (LOOPBACK, "[::1]:9000", True),
        (LOOPBACK, "LOCALHOST.:8080", True),
        (LOOPBACK, "evil.example:8080", False),
        (LOOPBACK, "localhost.evil.example", False),
        (LOOPBACK, "127.0.0.1.evil.example", False),
        (LOOPBACK, "192.0.2.7:8080", False),
        (LOOPBACK, "127.0.0.1:8080@evil.example", False),
        (LOOPBACK, "[::1]evil", False),
        (LOOPBACK, "", False),
        (ALL, "192.0.2.7:8080", True),
        (ALL, "[2001:db8::7]:8080", True),
        (ALL, "evil.example", False),
        (NAMED, "cam.example:8080", True),
        (NAMED, "localhost:8080", True),
        (NAMED, "evil.example", False),
        (NAMED, "192.0.2.7", False),
        (Address("fd00:0:0::1", 8080), "[fd00::1]:8080", True),
        (Address("fd00:0:0::1", 8080), "[fd00::2]:8080", False),
    ],
)
def test_only_our_own_names_are_answered(address: Address, host: str, allowed: bool) -> None:
    asked = Asked("GET", "/healthz", (host,))
    expected = Verdict.ALLOW if allowed else Verdict.WRONG_HOST
    assert Access(address, TOKEN).verdict(asked, 0.0) is expected


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("cam.example.lan", True),
        ("CAM.example.LAN.:443", True),
        ("door:8080", True),
        ("localhost:8080", True),
        ("other.example.lan", False),
        ("example.lan", False),
        ("cam.example.lan.evil.example", False),
        ("evil.example/cam.example.lan", False),
        ("cam-example-lan", False),
        ("192.0.2.7", False),
        ("", False),
    ],
)
def test_names_that_were_given_are_answered_and_no_others(host: str, allowed: bool) -> None:
    access = Access(LOOPBACK, TOKEN, ["Cam.Example.LAN", "door"])
    expected = Verdict.NEEDS_TOKEN if allowed else Verdict.WRONG_HOST
    assert access.verdict(Asked("GET", "/", (host,)), 0.0) is expected


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "a..b", "cam.", ".cam", "a b", "*.lan", "cam:80", "http://cam", "[::1]", "cam/"),
        *("cam_1", "k\u00e4fig", "\u212aam", "cam\n", "a" * 254),
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(SinkFailed, match="without scheme and port") as caught:
        Access(ALL, TOKEN, [name])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("hosts", [(), ("localhost", "evil.example"), ("localhost", "localhost")])
def test_a_request_names_one_host(hosts: tuple[str, ...]) -> None:
    verdict = Access(LOOPBACK, None).verdict(Asked("GET", "/", hosts), 0.0)
    assert verdict is Verdict.WRONG_HOST


@pytest.mark.parametrize(
    ("path", "authorization", "verdict"),
    [
        ("/", "", Verdict.NEEDS_TOKEN),
        ("/events", "", Verdict.NEEDS_TOKEN),
        ("/stream.mjpeg", "", Verdict.NEEDS_TOKEN),
        ("/metrics", "", Verdict.NEEDS_TOKEN),
        ("/logout", "", Verdict.NEEDS_TOKEN),
        ("/nothing", "", Verdict.NEEDS_TOKEN),
        ("/healthz/", "", Verdict.NEEDS_TOKEN),
        ("/static", "", Verdict.NEEDS_TOKEN),
        ("/healthz", "", Verdict.ALLOW),
        ("/login", "", Verdict.ALLOW),
        ("/static/page.css", "", Verdict.ALLOW),
        ("/metrics", f"Bearer {TOKEN}", Verdict.ALLOW),
        ("/metrics", f"bearer  {TOKEN} ", Verdict.ALLOW),
        ("/metrics", f"Basic {TOKEN}", Verdict.NEEDS_TOKEN),
        ("/metrics", TOKEN, Verdict.NEEDS_TOKEN),
        ("/metrics", "Bearer ", Verdict.NEEDS_TOKEN),
        ("/metrics", f"Bearer {TOKEN}x", Verdict.NEEDS_TOKEN),
        ("/metrics", f"Bearer {TOKEN[:-1]}", Verdict.NEEDS_TOKEN),
        ("/metrics", "Bearer \udcff\N{SNOWMAN}", Verdict.NEEDS_TOKEN),
    ],
)
def test_a_token_opens_all_but_what_is_public(
    path: str, authorization: str, verdict: Verdict
) -> None:
    asked = Asked("GET", path, ("192.0.2.7",), authorization)
    assert Access(ALL, TOKEN).verdict(asked, 0.0) is verdict


def test_without_a_token_loopback_is_open() -> None:
    assert Access(LOOPBACK, None).verdict(Asked("GET", "/", ("localhost",)), 0.0) is Verdict.ALLOW


@pytest.mark.parametrize(
    ("method", "site", "mode", "verdict"),
    [
        ("GET", "cross-site", "no-cors", Verdict.CROSS_SITE),
        ("GET", "cross-site", "cors", Verdict.CROSS_SITE),
        ("POST", "cross-site", "navigate", Verdict.CROSS_SITE),
        ("GET", "cross-site", "navigate", Verdict.ALLOW),
        ("GET", "same-origin", "no-cors", Verdict.ALLOW),
        ("GET", "none", "navigate", Verdict.ALLOW),
        ("GET", "", "", Verdict.ALLOW),
    ],
)
def test_other_sites_may_link_and_nothing_else(
    method: str, site: str, mode: str, verdict: Verdict
) -> None:
    asked = Asked(method, "/", ("localhost",), fetch_site=site, fetch_mode=mode)
    assert Access(LOOPBACK, None).verdict(asked, 0.0) is verdict


@pytest.mark.parametrize(
    ("address", "host", "origin", "allowed"),
    [
        (LOOPBACK, "localhost:8080", "http://localhost:8080", True),
        (LOOPBACK, "127.0.0.1:8080", "http://LOCALHOST.:8080", True),
        (LOOPBACK, "[::1]:8080", "http://[::1]:8080", True),
        (LOOPBACK, "localhost:9000", "http://localhost:9000", True),  # through a tunnel
        (LOOPBACK, "localhost:8080", "http://localhost:3000", False),  # another program here
        (LOOPBACK, "localhost:8080", "http://localhost", False),
        (LOOPBACK, "localhost", "http://localhost:80", True),
        (LOOPBACK, "localhost:8080", "null", False),
        (LOOPBACK, "localhost:8080", "", False),
        (LOOPBACK, "localhost:8080", "localhost:8080", False),
        (LOOPBACK, "localhost:8080", "http://", False),
        (LOOPBACK, "localhost:8080", "file://localhost:8080", False),
        (LOOPBACK, "localhost:8080", "http://evil.example:8080", False),
        (LOOPBACK, "localhost:8080", "http://localhost.evil.example:8080", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080@evil.example", False),
        (LOOPBACK, "localhost:8080", "https://evil.example", False),
        (ALL, "192.0.2.7:8080", "http://192.0.2.7:8080", True),
        (ALL, "192.0.2.7:8080", "http://192.0.2.66:8080", False),  # a site that is a number
        (ALL, "192.0.2.7:8080", "https://192.0.2.66", False),
        (NAMED, "cam.example:8080", "http://cam.example:8080", True),
        (NAMED, "cam.example:8080", "http://cam.example:3000", False),
        # Behind a proxy with TLS that passes its Host on, with and without a port of its own, and
        # one that sends its upstream's address.
        (NAMED, "cam.example", "https://cam.example", True),
        (NAMED, "cam.example", "https://cam.example:8443", True),
        (LOOPBACK, "door.lan", "https://door.lan", True),
        (LOOPBACK, "127.0.0.1:8080", "https://door.lan", True),
        (LOOPBACK, "127.0.0.1:8080", "http://door.lan", True),
        (LOOPBACK, "127.0.0.1:8080", "https://other.lan", False),
    ],
)
def test_only_our_own_pages_may_post(
    address: Address, host: str, origin: str, allowed: bool
) -> None:
    asked = Asked("POST", "/login", (host,), origins=(origin,))
    access = Access(address, TOKEN, ["door.lan"])
    assert access.verdict(asked, 0.0) is (Verdict.ALLOW if allowed else Verdict.CROSS_SITE)
    assert access.verdict(replace(asked, origins=()), 0.0) is Verdict.ALLOW  # curl names none
    neighbour = replace(asked, fetch_site="same-site")  # another port, which has our cookie too
    assert access.verdict(neighbour, 0.0) is Verdict.CROSS_SITE
    assert access.verdict(replace(asked, method="GET"), 0.0) is Verdict.ALLOW


def test_of_two_origins_both_are_ours() -> None:
    asked = Asked("POST", "/login", ("localhost",), origins=("http://localhost", "null"))
    assert Access(LOOPBACK, TOKEN).verdict(asked, 0.0) is Verdict.CROSS_SITE


def test_a_session_lasts_until_it_ends() -> None:
    access = Access(ALL, TOKEN)
    session = access.open_session(now_s=100.0)
    asked = Asked("GET", "/", ("192.0.2.7",), session=session)
    assert TOKEN not in session
    assert access.verdict(asked, 100.0) is Verdict.ALLOW
    assert access.verdict(replace(asked, session=session + "x"), 100.0) is Verdict.NEEDS_TOKEN
    assert access.verdict(asked, 100.0 + SESSION_S) is Verdict.NEEDS_TOKEN
    access.end_session(session)
    assert access.verdict(asked, 100.0) is Verdict.NEEDS_TOKEN


def test_of_too_many_sessions_the_oldest_ends() -> None:
    access = Access(ALL, TOKEN)
    first, *_, last = [access.open_session(0.0) for _ in range(65)]
    assert not access.has_session(first, 1.0)
    assert access.has_session(last, 1.0)


@pytest.mark.parametrize(
    ("address", "token", "sentence"),
    [
        (ALL, None, "needs a token of at least 16 characters"),
        (NAMED, None, "needs a token"),
        (Address("192.0.2.7", 80), None, "needs a token"),
        (ALL, "", "could be guessed"),
        (LOOPBACK, "", "could be guessed"),
        (ALL, TOKEN[1:], "has 15 characters and could be guessed"),
    ],
)
def test_what_others_could_see_is_refused(
    address: Address, token: str | None, sentence: str
) -> None:
    with pytest.raises(SinkFailed, match=sentence):
        Access(address, token)


@pytest.mark.parametrize("address", [LOOPBACK, ALL])
def test_a_further_name_needs_a_token_on_loopback_too(address: Address) -> None:
    with pytest.raises(SinkFailed, match="could be seen by others: it needs a token"):
        Access(address, None, ["cam.example.lan"])


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert Access(ALL, TOKEN).is_right(TOKEN)
    assert compared == [(TOKEN.encode(), TOKEN.encode())]
