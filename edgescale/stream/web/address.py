"""Where the page listens: ``[HOST:]PORT``, on loopback unless somebody says otherwise."""

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass

from edgescale.errors import SinkFailed
from edgescale.family.fields import without_credentials

DEFAULT_HOST = "127.0.0.1"
_LARGEST_PORT = 65535
_BACKLOG = 64
_LONGEST_NAME = 253  # RFC 1035


@dataclass(frozen=True)
class Address:
    """A host by name or number, without brackets, and a port; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Says whether only this machine reaches it; a name other than localhost may move."""
        number = ip_number(self.host)
        return self.host == "localhost" or (number is not None and number.is_loopback)

    @property
    def wildcard(self) -> bool:
        """Says whether it is all addresses of this machine."""
        number = ip_number(self.host)
        return number is not None and number.is_unspecified

    @property
    def text(self) -> str:
        """Returns it as it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Reads ``8080``, ``0.0.0.0:8080``, ``board.local:8080`` or ``[::1]:8080``.

    Raises:
        SinkFailed: it is none of these.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or "[" in host:
        raise _not_an_address(text)
    if (colon and not host) or not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise _not_an_address(text)
    if int(port) > _LARGEST_PORT:
        raise _not_an_address(text)
    return Address(host.lower() or DEFAULT_HOST, int(port))


def host_name(text: str) -> str:
    """Returns a host's name as it stands in a Host header: in small letters, without a port.

    Raises:
        SinkFailed: it is none.
    """
    if len(text) > _LONGEST_NAME or not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise SinkFailed(
            f"{without_credentials(text[:_LONGEST_NAME])!r} is no name for the page: letters,"
            " digits, hyphens and dots are needed, as cam.example.lan, without scheme and port"
        )
    return text.lower()


def ip_number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns the address that a host written as a number is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def listen(address: Address) -> socket.socket:
    """Returns a listening socket.

    Raises:
        SinkFailed: no such host, the port is in use, or it is not ours to take.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, place = found[0]
        return socket.create_server((place[0], place[1]), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as problem:
        raise SinkFailed(f"the page cannot listen on {address.text}: {_why(problem)}") from problem


def _why(problem: OSError | UnicodeError) -> str:
    if isinstance(problem, socket.gaierror | UnicodeError):
        return "this host has no address; name one of this machine's"
    if problem.errno == errno.EADDRINUSE:
        return "the port is in use; choose another, or 0 for any that is free"
    if problem.errno == errno.EADDRNOTAVAIL:
        return "the address is none of this machine's; 0.0.0.0 stands for all of them"
    if problem.errno in (errno.EACCES, errno.EPERM):
        return "the system does not allow it; choose a port of 1024 or more"
    return f"{problem.strerror}; choose another address"


def _not_an_address(text: str) -> SinkFailed:
    return SinkFailed(
        f"{without_credentials(text)!r} is no address for the page: [HOST:]PORT is needed,"
        " as 8080, 0.0.0.0:8080 or [::1]:8080"
    )
