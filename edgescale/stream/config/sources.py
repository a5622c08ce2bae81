"""The sources of a configuration file: ``[[sources]]``, one table for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgescale.errors import ConfigError
from edgescale.family.fields import Fields
from edgescale.stream.config.secrets import read_secret, text_or_secret
from edgescale.stream.sources.address import STDIN, camera_number, holds_secret, is_url
from edgescale.stream.sources.source_spec import SourceSpec, parse_source

_LARGEST_PX = 65_535
_LAST_CAMERA = 999


def read_sources(tables: Sequence[Fields], home: Path) -> tuple[SourceSpec, ...]:
    """Reads all sources.

    Raises:
        ConfigError: an unknown key or a value that is not what was needed.
        StreamError: a source that cannot be one.
    """
    return tuple(_source(fields, home) for fields in tables)


def _source(fields: Fields, home: Path) -> SourceSpec:
    address = _address(fields, home)
    name = fields.text("name", "", longest=32)
    if name and parse_source(f"{name}={STDIN}").name != name:
        raise fields.refuse("name", "a letter, then letters, digits, _ or -, at most 32 in all")
    spec = SourceSpec(
        address,
        name,
        roi=_pixels(fields, "roi", 4, low=0),
        rotate=fields.integer("rotate", 0),
        max_fps=fields.number("max_fps", None),
        size=_pixels(fields, "size", 2, low=1),
        fps=fields.number("fps", None),
        pixel_format=fields.text("pixel_format", None, longest=4),
    )
    fields.close()
    return spec


def _address(fields: Fields, home: Path) -> str:
    if type(fields.take("address", None)) is int:
        address = str(fields.integer("address", high=_LAST_CAMERA))
    else:
        is_in_file = fields.has("address")
        address = text_or_secret(fields, "address", home)
        if is_in_file and holds_secret(address):
            raise ConfigError(
                f"{fields.where}.address: passwords and tokens do not belong in this file; give"
                " user and password_file or password_env, or the whole address by address_env or"
                " address_file"
            )
    user = fields.text("user", None, longest=1_000)
    password = read_secret(fields, "password", home)
    if user is not None or password is not None:
        return _with_credentials(address, user, password, fields.where)
    if address == STDIN or is_url(address) or camera_number(address) is not None:
        return address
    return str(home / address)


def _with_credentials(address: str, user: str | None, password: str | None, where: str) -> str:
    if not is_url(address) or user is None:
        raise ConfigError(f"{where}: a password goes with a user and an address such as rtsp://...")
    scheme, rest = address.split("://", 1)
    if "@" in rest.split("/", 1)[0]:
        raise ConfigError(f"{where}: the address names a user already; give one of both")
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"{scheme}://{quote(user, safe='')}{secret}@{rest}"


def _pixels(fields: Fields, key: str, count: int, *, low: int) -> Any:
    values = fields.items(key, None, most=count)
    if values is None:
        return None
    good = all(type(value) is int and low <= value <= _LARGEST_PX for value in values)
    if len(values) != count or not good:
        wanted = "[x, y, width, height]" if count == 4 else "[width, height]"
        raise fields.refuse(key, f"{wanted} in pixels")
    return tuple(values)
