"""One POST of JSON with the standard library: no proxy, no redirect, no answer without an end."""

import base64
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from edgescale.errors import SinkFailed

_LONGEST_ANSWER_BYTES = 65_536
_AGAIN = frozenset({408, 425, 429})  # and all from 500: it may take it later
_PATIENCE = 3  # an answer that trickles in may take so many timeouts in all
_FORM = "a webhook is http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH"


class Unreachable(Exception):
    """Nobody took it, and a later attempt may do better; says why without any secret."""


class Refused(Exception):
    """The server will not take it at all; says why without any secret."""


@dataclass(frozen=True)
class Address:
    """Where to post to; its text form shows no secret.

    Attributes:
        shown: scheme, host and port, for people.
        secure: whether it is https.
        host: name or address, without brackets.
        port: of it.
        target: path and query.
        authorization: the header's value; empty without any.
    """

    shown: str
    secure: bool
    host: str
    port: int
    target: str = field(repr=False)
    authorization: str = field(repr=False)

    @property
    def exposes_its_secret(self) -> bool:
        """Says whether the secret crosses a network unencrypted."""
        return bool(self.authorization) and not self.secure and not _is_loopback(self.host)


def parse_address(url: str, token: str | None) -> Address:
    """Reads a URL; no error repeats any of it, since any part may be secret.

    Raises:
        SinkFailed: it is no URL to post to, or the token fits into no header.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise SinkFailed(f"{_FORM}, and other characters in it are written as %XX")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise SinkFailed(f"{_FORM}; the host or port that was given is none") from problem
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SinkFailed(f"{_FORM}; what was given lacks a part of it")
    secure = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(
        shown=f"{parts.scheme}://{host}" + (f":{port}" if port else ""),
        secure=secure,
        host=parts.hostname,
        port=port or (443 if secure else 80),
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authorization=_authorization(parts, token),
    )


def _authorization(parts: SplitResult, token: str | None) -> str:
    if parts.username is None and parts.password is None:
        if token is None:
            return ""
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise SinkFailed(
                "a webhook's token is printable ASCII without spaces; look at its file"
            )
        return f"Bearer {token}"
    if token is not None:
        raise SinkFailed(
            "a webhook takes a token or a user in its address, not both; leave one out"
        )
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Post:
    """Posts one body at a time; ``cut`` ends it from another thread.

    Args:
        address: where to.
        timeout_s: for connecting and for each part of the answer; three times as long for all.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address, self._timeout_s = address, timeout_s
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._began_s = 0.0

    def send(self, body: bytes) -> None:
        """Posts a body.

        Raises:
            Unreachable: worth another attempt.
            Refused: not worth one.
        """
        connection = self._opened()
        try:
            connection.request("POST", self._address.target, body, self._headers())
            answer = connection.getresponse()
            answer.read(_LONGEST_ANSWER_BYTES)
        except TimeoutError as problem:
            raise Unreachable(f"no answer within {self._timeout_s:g} s") from problem
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(_reason(problem)) from problem
        finally:
            with self._lock:
                self._connection = None
            connection.close()
        _judge(answer.status)

    def cut_overdue(self) -> None:
        """Ends an attempt whose answer trickles in; called now and then from another thread."""
        if time.monotonic() - self._began_s > _PATIENCE * self._timeout_s:
            self.cut()

    def cut(self) -> None:
        """Ends the attempt that is under way, if any; from another thread."""
        with self._lock:
            connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _opened(self) -> http.client.HTTPConnection:
        where, timeout_s = self._address, self._timeout_s
        connection: http.client.HTTPConnection
        if where.secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                where.host, where.port, timeout=timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(where.host, where.port, timeout=timeout_s)
        with self._lock:
            self._connection, self._began_s = connection, time.monotonic()
        return connection

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "edgescale"}
        if self._address.authorization:
            headers["Authorization"] = self._address.authorization
        return headers


def _judge(status: int) -> None:
    """Raises unless the status says that the body was taken."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Refused(f"it answers with a redirect ({status}), and none is followed")
    if status in _AGAIN or status >= 500:
        raise Unreachable(f"it answers with status {status}")
    raise Refused(f"it answers with status {status}")


def _reason(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {problem.verify_message}"
    if isinstance(problem, http.client.HTTPException):
        return "what answers there does not speak HTTP"
    return getattr(problem, "strerror", None) or "the connection was lost"
