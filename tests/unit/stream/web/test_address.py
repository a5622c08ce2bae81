"""Where the page listens, and the sentences when it cannot."""

import socket

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.web.address import Address, listen, parse_address


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("8080", Address("127.0.0.1", 8080), True),
        ("127.0.0.1:0", Address("127.0.0.1", 0), True),
        ("LocalHost:80", Address("localhost", 80), True),
        ("[::1]:8080", Address("::1", 8080), True),
        ("127.8.9.1:80", Address("127.8.9.1", 80), True),
        ("0.0.0.0:8080", Address("0.0.0.0", 8080), False),
        ("[::]:8080", Address("::", 8080), False),
        ("board.local:8080", Address("board.local", 8080), False),
    ],
)
def test_addresses(text: str, address: Address, loopback: bool) -> None:
    parsed = parse_address(text)
    assert (parsed, parsed.loopback) == (address, loopback)
    assert parse_address(parsed.text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        ":8080",
        "::1:8080",
        "host:",
        "host:-1",
        "1:65536",
        "1:٣",
        "a:1:2",
        "[::1:80",
        "80 80",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SinkFailed, match=r"\[HOST:\]PORT is needed"):
        parse_address(text)


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SinkFailed, match=f"127.0.0.1:{port}: the port is in use; choose"):
            listen(Address("127.0.0.1", port))


@pytest.mark.parametrize(
    ("host", "sentence"),
    [("192.0.2.1", "none of this machine's"), ("a..b", "this host has no address")],
)
def test_a_host_that_is_not_here_is_said(host: str, sentence: str) -> None:
    with pytest.raises(SinkFailed, match=sentence):
        listen(Address(host, 0))
