"""What kind of source an address names, and how it may be shown.

An address of a camera often holds its password; whatever is printed, logged, stored or sent passes
through ``redacted`` first.
"""

import re
from urllib.parse import urlsplit

STDIN = "-"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
# As people mistype it, too: ``rtsp:/user:password@host``, ``user:password@host``.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*")
_AUTHORITY_END = re.compile(r"[/?#]")
_CAMERA = re.compile(r"(?:/dev/video)?(\d{1,3})")
_SECRET = re.compile(
    r"(?P<key>[?&;][^=&;#]*(?:pass|pwd|psw|token|key|secret|auth|sig|user|usr|login|sess|cred)"
    r"[^=&;#]*)=[^&;#]*",
    re.IGNORECASE,
)
# The ports that FFmpeg takes where the address names none. Raw TCP is left out on purpose: its
# servers often serve one client, and a trial connection would be that client.
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


def is_url(address: str) -> bool:
    """Says whether FFmpeg shall open it as an address rather than as a path."""
    return _URL.fullmatch(address) is not None


def scheme(address: str) -> str:
    """Returns the scheme of a URL in small letters; empty for anything else."""
    found = _URL.fullmatch(address)
    return found["scheme"].lower() if found else ""


def camera_number(address: str) -> int | None:
    """Returns N of ``N`` or ``/dev/videoN``, else None."""
    found = _CAMERA.fullmatch(address)
    return int(found[1]) if found else None


def is_glob(address: str) -> bool:
    """Says whether it is a pattern for names of files."""
    return any(sign in address for sign in "*?[")


def redacted(text: str) -> str:
    """Returns the text without user, password and the values of what looks like a secret.

    The text may be an address, or hold one anywhere; a slash or two may be missing in it.
    """
    shown, left = "", text
    while found := _SCHEME.search(left):
        host, path = _place(left[found.end() :])
        shown, left = shown + left[: found.end()] + host, path
    return _SECRET.sub(r"\g<key>=***", shown + left)


def _place(rest: str) -> tuple[str, str]:
    """Returns the host and what follows it, without the user information before them."""
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if "@" in authority:
        rest = rest[authority.rindex("@") + 1 :]
    elif "@" in rest and not re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:\d*)?", authority):
        rest = rest[rest.rindex("@") + 1 :]  # a password that holds a slash
    host = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    return host, rest[len(host) :]


def endpoint(address: str) -> tuple[str, int] | None:
    """Returns (host, port) of a server that a trial connection does no harm, else None."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    known = parts.scheme in _PORTS
    return (parts.hostname, port) if known and parts.hostname and port else None
