"""Reads the small text files under ``proc`` and ``sys`` in which the kernel shows its facts.

Such a file may be missing, forbidden, endless, garbage or a loop of links. A reader that raised on
any of these would take the whole program down for a fact that is only nice to know, so each
function here answers with nothing instead.
"""

import math
import os
import re
import stat
from pathlib import Path

LONGEST_LABEL = 200
_MOST_BYTES = 2**20  # the longest honest one is /proc/cpuinfo: 1.5 kB a core
_DIGITS = re.compile(r"[0-9]{1,18}")  # below 2^60, and int() never complains of its length


def read_text(path: Path, *, errors: str = "replace") -> str:
    """Returns a text file without the blanks around it, or "" where it cannot be read.

    Args:
        path: the file; of one that never ends the first MiB is read, of a pipe what lies in it.
        errors: what becomes of bytes that are not UTF-8, as in ``bytes.decode``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a name with a NUL in it
        return ""
    parts: list[bytes] = []
    left = _MOST_BYTES
    try:
        while left and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", errors).strip("\0 \r\n\t")


def entries(folder: Path) -> list[Path]:
    """Returns what is in a folder, ``zone2`` before ``zone10``; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir(), key=_natural)
    except (OSError, ValueError):
        return []


def is_folder(path: Path) -> bool:
    """Says whether a folder is there; False too where that cannot be found out."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Says whether there is anything of this name; False too where that cannot be found out."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def link_target(path: Path) -> str:
    """Returns what a symbolic link holds, or "" where there is none."""
    try:
        return str(path.readlink())
    except (OSError, ValueError):
        return ""


def whole_number(text: str) -> int | None:
    """Returns a whole number from 0 to 10^18; "max", -1 and junk are None."""
    return int(text) if _DIGITS.fullmatch(text) else None


def decimal(text: str) -> float | None:
    """Returns a finite number, None for junk."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def milli(text: str) -> float | None:
    """Returns a thousandth of a whole number, sign allowed, None for junk."""
    number = whole_number(text.removeprefix("-"))
    if number is None:
        return None
    return -number / 1000 if text.startswith("-") else number / 1000


def label(path: Path) -> str | None:
    """Returns the first line of a file as a name of at most 200 characters, or None."""
    line = read_text(path).partition("\n")[0].replace("\0", " ").strip()
    return line[:LONGEST_LABEL] or None


def _natural(path: Path) -> list[str | int]:
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]
