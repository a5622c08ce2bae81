"""What kind of source an address names, what is wrong with it, and how it may be shown.

An address of a camera often holds its password; whatever is printed, logged, stored or sent passes
through ``redacted`` first. Every camera has its own name for a password, so of an address all
values are hidden but those that are known to do no harm.
"""

import re
from urllib.parse import urlsplit

STDIN = "-"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
# As people mistype it, too: ``rtsp:/user:password@host``, ``user:password@host``.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:/*")
_WHOLE_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:/{2,}")
_AUTHORITY_END = re.compile(r"[/?#]")
_PLACE = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>\d*))?")
_CAMERA = re.compile(r"(?:/dev/video)?(\d{1,3})")
# Recorders take the path apart, too: ``/user=admin_password=..._channel=1_stream=0.sdp``.
_PART = re.compile(r"([/_?&;#])([^/_?&;#]*)")
_HARMLESS = re.compile(
    r"(?:action|audio|cam|camera|ch|chan|channel|cmd|codec|compression|format|fps|framerate|h|height"
    r"|latency|listen|mode|multicast|profile|proto|quality|rate|res|resolution|rotation|size|stream"
    r"|subtype|timeout|transport|ttl|type|unicast|video|videocodec|view|w|width)"
    r"=[A-Za-z0-9.:,-]{0,16}",
    re.IGNORECASE,
)
_LONGEST_KEY = 16
_SECRETS_KEY = (
    r"[/_?&;#][A-Za-z0-9-]{0,32}?(?:(?<!by)pass(?:word|wd|phrase)?|pwd|psw|pw|token|secret|jwt)"
)
_NAMED_SECRET = re.compile(
    rf"(?:{_SECRETS_KEY}|[/_?&;#](?:api-?|access-?)?(?:key|auth|sig|signature))=[^&;#]",
    re.IGNORECASE,
)
# Of a path of a file as little as that; a glob has a ?, too.
_SECRET_IN_TEXT = re.compile(
    rf"(?P<key>{_SECRETS_KEY}|[?&;][^/?&;#=]{{0,64}})=[^&;#].*", re.IGNORECASE | re.DOTALL
)
# The ports that FFmpeg takes where the address names none. Raw TCP is left out on purpose: its
# servers often serve one client, and a trial connection would be that client.
_PORTS = {"ftp": 21, "http": 80, "https": 443, "rtmp": 1935, "rtsp": 554, "rtsps": 322}
_LARGEST_PORT = 65_535


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
    """Returns the text without user, password and the values of what may be a secret.

    The text may be an address, or hold one anywhere; a slash or two may be missing in it.
    """
    found = _WHOLE_SCHEME.search(text) or _SCHEME.search(text)
    before = text[: found.end()] if found and scheme(text) != "file" else text
    shown = _SECRET_IN_TEXT.sub(r"\g<key>=***", _without_users(before))
    if found is None or before == text or "***" in shown:
        return shown
    rest = text[found.end() :]
    _, host, path = _parts(rest)
    if _is_doubtful(rest):
        _, host, path = _parts(path.rpartition("@")[2])
        host = f"***@{host}"
    elif "=" in host:  # as where the host was forgotten
        host, path = "", f"/{host}{path}"
    return shown + host + _without_values(_without_users(path))


def holds_secret(address: str) -> bool:
    """Says whether a URL holds a password or what is named as one."""
    found = _URL.fullmatch(address)
    if not found:
        return False
    user, _, path = _parts(found["rest"])
    return re.search(":[^@]", user) is not None or _NAMED_SECRET.search(path) is not None


def mistake(address: str) -> str | None:
    """Returns in words why no server can be meant by a URL; None where nothing is wrong."""
    found = _URL.fullmatch(address)
    if not found or scheme(address) not in (*_PORTS, "rtp", "srt", "tcp", "udp"):
        return None
    user, host, _ = _parts(found["rest"])
    if _AUTHORITY_END.search(user):
        return (
            "a / ? or # in a user or password must be written %2F, %3F or %23; or give both in a"
            " configuration file, as user and password_file"
        )
    place = _PLACE.fullmatch(host)
    if not place:
        return "its host or port cannot be read; give HOST:PORT, an IPv6 host as in [::1]:554"
    if place["port"] and not 0 < int(place["port"][:9]) <= _LARGEST_PORT:
        return f"there is no such port; give 1 to {_LARGEST_PORT}"
    if not place["host"] and scheme(address) in _PORTS:
        return f"it names no host; give {scheme(address)}://HOST/PATH"
    return None


def _without_users(text: str) -> str:
    """Returns the text without the user information of the addresses in it."""
    shown, left = "", text
    while found := _SCHEME.search(left):
        _, host, path = _parts(left[found.end() :])
        shown, left = shown + left[: found.end()] + host, path
    return shown + left


def _without_values(path: str) -> str:
    """Returns path, query and fragment without the values that may be secret.

    What is hidden goes on to the next value that is known to do no harm: a password may hold any
    sign.
    """
    shown, is_hiding, is_behind_path = "", False, False
    for sign, part in _PART.findall(path):
        is_behind_path = is_behind_path or sign in "?#"
        key, equals, value = part.partition("=")
        if _HARMLESS.fullmatch(part):
            shown, is_hiding = shown + sign + part, False
        elif is_hiding:
            continue
        elif not part or not (equals or is_behind_path):
            shown += sign + part
        else:
            is_named = len(key) <= _LONGEST_KEY and key.isalpha() and value.strip("=")
            shown, is_hiding = shown + sign + (f"{key}=***" if is_named else "***"), True
    return shown


def _parts(rest: str) -> tuple[str, str, str]:
    """Returns what stands before the host (the user information), host with port, and the rest."""
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    end, behind = authority.rfind("@"), rest[len(authority) :]
    # A password that holds a slash or another sign that ends a host.
    host = authority[end + 1 :]
    is_cut = behind.startswith("#") or (end >= 0 and not host) or not _PLACE.fullmatch(host)
    if "@" in behind and is_cut:
        end = rest.rindex("@")
    user, rest = rest[: end + 1], rest[end + 1 :]
    host = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    return user, host, rest[len(host) :]


def _is_doubtful(rest: str) -> bool:
    """Says whether what looks like host and port may be a user and a password cut by a slash."""
    user, host, path = _parts(rest)
    before, at, _ = path.partition("?")[0].rpartition("@")
    return bool(at) and ":" in user + host and ":/" not in before


def endpoint(address: str) -> tuple[str, int] | None:
    """Returns (host, port) of a server that a trial connection does no harm, else None."""
    if _is_doubtful(address.partition("://")[2]):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    known = parts.scheme in _PORTS
    return (parts.hostname, port) if known and parts.hostname and port else None
