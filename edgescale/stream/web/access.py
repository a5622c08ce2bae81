"""Who may see the page: rules without HTTP, so that a table of cases can show all of them.

A browser on this machine may be steered by a foreign page (DNS rebinding, pictures of other sites),
hence the Host header is checked even on loopback, where no token is needed. The token itself is
given once, in a header or a form, and never stands in an address, a cookie or a log. What is posted
comes from a page of our own, or from a client that is no browser and names no origin.
"""

import hashlib
import hmac
import secrets
import socket
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from edgescale.errors import SinkFailed
from edgescale.stream.web.address import Address, host_name, ip_number

SHORTEST_TOKEN = 16
SESSION_S = 30 * 24 * 3600
_MOST_SESSIONS = 64
_PUBLIC = ("/login", "/healthz")
_PUBLIC_FOLDER = "/static/"
_READING = ("GET", "HEAD")
_HTTP_PORT = "80"


class Verdict(Enum):
    """What becomes of a request."""

    ALLOW = "allow"
    WRONG_HOST = "wrong host"
    CROSS_SITE = "cross site"
    NEEDS_TOKEN = "needs token"


@dataclass(frozen=True)
class Asked:
    """What the rules look at in a request; a header that is missing is empty."""

    method: str
    path: str
    hosts: tuple[str, ...]
    authorization: str = ""
    session: str = ""
    fetch_site: str = ""
    fetch_mode: str = ""
    origins: tuple[str, ...] = ()


class Access:
    """The rules for one address.

    Args:
        address: where the page listens.
        token: what must be shown; None asks for nothing.
        names: more that the page is called by, in the local network or by a proxy before it.

    Raises:
        SinkFailed: an address or a name by which others reach it without a token, a token that can
            be guessed, or a name that is none.
    """

    def __init__(self, address: Address, token: str | None, names: Sequence[str] = ()) -> None:
        further = [host_name(name) for name in names]
        if token is None and not address.loopback:
            raise SinkFailed(
                f"the page on {address.text} could be seen by others: it needs a token of at least"
                f" {SHORTEST_TOKEN} characters, or the address 127.0.0.1"
            )
        if (
            token is None and further
        ):  # on loopback too: a proxy passes on what comes from elsewhere
            raise SinkFailed(
                f"the page as {further[0]} could be seen by others: it needs a token of at least"
                f" {SHORTEST_TOKEN} characters, or no further name"
            )
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise SinkFailed(
                f"the page's token has {len(token)} characters and could be guessed: at least"
                f" {SHORTEST_TOKEN} are needed, for example from 'openssl rand -hex 16'"
            )
        self._address = address
        self._further = frozenset(further)
        self._names = _own_names(address) | self._further
        self._token = None if token is None else _bytes(token)
        self._sessions: OrderedDict[bytes, float] = OrderedDict()  # sha256 of the id: its end

    @property
    def needs_token(self) -> bool:
        """Says whether anybody has to show one."""
        return self._token is not None

    def verdict(self, asked: Asked, now_s: float) -> Verdict:
        """Judges a request; ``now_s`` is a monotonic clock."""
        if len(asked.hosts) != 1 or not self._is_ours(_host_and_port(asked.hosts[0])[0]):
            return Verdict.WRONG_HOST
        if asked.method not in _READING and not self._may_send(asked):
            return Verdict.CROSS_SITE
        if asked.fetch_site == "cross-site" and not (
            asked.method == "GET" and asked.fetch_mode == "navigate"
        ):
            return Verdict.CROSS_SITE
        if asked.path in _PUBLIC or asked.path.startswith(_PUBLIC_FOLDER):
            return Verdict.ALLOW
        if self._token is None or self._bearer_is_right(asked.authorization):
            return Verdict.ALLOW
        return Verdict.ALLOW if self.has_session(asked.session, now_s) else Verdict.NEEDS_TOKEN

    def is_right(self, token: str) -> bool:
        """Compares a token with ours, in the same time wherever they differ."""
        return self._token is not None and hmac.compare_digest(_bytes(token), self._token)

    def open_session(self, now_s: float) -> str:
        """Returns the id of a new session; of too many, the oldest ends."""
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = now_s + SESSION_S
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def has_session(self, session: str, now_s: float) -> bool:
        """Says whether an id is that of a session that goes on."""
        return self._sessions.get(_digest(session), now_s) > now_s

    def end_session(self, session: str) -> None:
        """Ends a session, if there is one of that id."""
        self._sessions.pop(_digest(session), None)

    def _bearer_is_right(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.is_right(token.strip())

    def _may_send(self, asked: Asked) -> bool:
        host = _host_and_port(asked.hosts[0])
        return asked.fetch_site != "same-site" and all(
            self._is_own_origin(origin, host) for origin in asked.origins
        )

    def _is_own_origin(self, origin: str, host: tuple[str, str]) -> bool:
        """Says whether a page of ours has sent something; ``null`` is none.

        Any number may be a foreign site's here, even where all of ours are answered. Another port
        of this machine is another's page, unless a proxy has given ours that port: one with TLS, or
        one whose name was given.
        """
        scheme, _, authority = origin.strip().lower().partition("://")
        name, port = _host_and_port(authority)
        number = ip_number(name)
        local = number is not None and number.is_loopback
        if scheme not in ("http", "https") or not (name in self._names | {host[0]} or local):
            return False
        if scheme == "https" or name in self._further:
            return True
        return (port or _HTTP_PORT) == (host[1] or _HTTP_PORT)

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        number = ip_number(name)
        if number is None:
            return False
        # A page of another site is never reached by a number, so rebinding cannot make one up.
        own = number == ip_number(self._address.host)
        return own or self._address.wildcard or number.is_loopback


def _own_names(address: Address) -> frozenset[str]:
    names = {"localhost", address.host}
    if not address.loopback:
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local"}
    return frozenset(names)


def _host_and_port(header: str) -> tuple[str, str]:
    """Returns the host of a Host header without brackets and case, and its port or nothing.

    Both are empty where it has none.
    """
    header = header.strip().lower()
    if header.startswith("["):
        name, bracket, rest = header[1:].partition("]")
        return (name, rest[1:]) if bracket and _is_port(rest) else ("", "")
    name, colon, port = header.partition(":")
    return (name.removesuffix("."), port) if _is_port(colon + port) else ("", "")


def _is_port(text: str) -> bool:
    return not text or (text.startswith(":") and text[1:].isascii() and text[1:].isdigit())


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _digest(session: str) -> bytes:
    return hashlib.sha256(_bytes(session)).digest()
