"""Sizes, counts and foreign text as people read them: MiB is 2^20 bytes, MB is 10^6, not mixed."""

import re
from fractions import Fraction

MIB = 2**20
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9,
          "kib": 2**10, "mib": 2**20, "gib": 2**30}  # fmt: skip
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def parse_bytes(text: str) -> int:
    """Reads a size such as ``4000000``, ``4e6``, ``4MB`` or ``3.8 MiB``, in whole bytes.

    Raises:
        ValueError: it is none, or not above zero; the message says what one looks like.
    """
    return _parsed(text, _BYTES, "a size like 4000000, 4MB (10^6 bytes) or 4MiB (2^20)")


def parse_count(text: str) -> int:
    """Reads a count such as ``5000000``, ``5e6``, ``600M`` or ``4G``.

    Raises:
        ValueError: it is none, or not above zero; the message says what one looks like.
    """
    return _parsed(text, _COUNTS, "a count like 600000000, 600M or 4G")


def _parsed(text: str, units: dict[str, int], like: str) -> int:
    number_and_unit = r"([0-9]{1,15}(?:\.[0-9]{1,9})?(?:[eE]\+?[0-9]{1,2})?) ?([A-Za-z]*)"
    match = re.fullmatch(number_and_unit, text.strip())
    if match and match[2].lower() in units:
        number = int(Fraction(match[1]) * units[match[2].lower()])
        if number:
            return number
    raise ValueError(f"'{text}' is not {like}, above zero")


def si(number: float, unit: str = "") -> str:
    """Shortens a number to two decimals, prefix and unit, e.g. ``6.98 MB``, ``512 B``, ``4 G``."""
    for factor, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{number / factor:,.2f}".rstrip("0").rstrip(".") + f" {prefix}{unit}"
    return f"{number:g} {unit}".rstrip()


def mib(size_bytes: float) -> str:
    """Formats bytes as MiB with two decimals, e.g. ``5.02 MiB``."""
    return f"{size_bytes / MIB:.2f} MiB"


def count(number: int) -> str:
    """Formats a count with thousands separators, e.g. ``5,438,392``."""
    return f"{number:,}"


def millions(number: float) -> str:
    """Formats a count in millions, e.g. ``1,788.7 M``."""
    return f"{number / 1e6:,.1f} M"


def percent(fraction: float) -> str:
    """Formats a fraction as a percentage with one decimal, e.g. ``88.5 %``."""
    return f"{100 * fraction:.1f} %"


def share(part: float, whole: float) -> str:
    """Formats a part of a limit as a percentage, with the digits that tell it from the limit.

    ``94.5 %``, ``99.998 %``: it is ``100.0 %`` for exactly the limit only.
    """
    digits = 1
    while part != whole and digits < 15 and float(f"{100 * part / whole:.{digits}f}") == 100:
        digits += 1
    return f"{100 * part / whole:.{digits}f} %"


def milliseconds(value_ms: float) -> str:
    """Formats milliseconds with the digits that mean something, e.g. ``0.083 ms``, ``12.4 ms``."""
    return f"{value_ms:.3f} ms" if value_ms < 1 else f"{value_ms:.1f} ms"


def printable(text: str) -> str:
    """Replaces control characters, so that a foreign label cannot steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
