"""Reads a foreign table key by key: manifest, profile and recipe alike.

Every value is checked for type and bounds as it is taken, and what nobody took is refused, so that
a typo never passes in silence. Each refusal is one sentence that names the place.
"""

import difflib
import re
import reprlib
import sys
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from edgescale.errors import EdgescaleError

REQUIRED: Final[Any] = object()
_LARGEST = sys.float_info.max
_SHOWN_CHARACTERS = 60
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREDENTIALS = re.compile(r"""(?<![^\s/'"@])[^\s/'"@:]*:[^\s/'"@]*@""")  # in linear time
Default = TypeVar("Default")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Returns ``, did you mean 'x'?`` for the nearest known word, or the list of all of them."""
    near = difflib.get_close_matches(word[:200], list(known), n=1, cutoff=0.6)
    if near:
        return f", did you mean '{near[0]}'?"
    return f"; known: {', '.join(sorted(known))}"


def without_credentials(text: str) -> str:
    """Returns a text with ``***@`` for what looks like ``user:password@``, wherever it stands."""
    return _CREDENTIALS.sub("***@", text)


class Fields:
    """A table of a foreign file, read one key at a time.

    Args:
        table: what the parser returned; anything but a table is refused.
        where: the place for messages, e.g. ``manifest.json: variants[2]``.
        error: the class of the errors raised.
    """

    def __init__(self, table: object, where: str, error: type[EdgescaleError]) -> None:
        if not isinstance(table, Mapping) or not all(isinstance(key, str) for key in table):
            raise error(f"{where}: expected a table of named values, got {_kind(table)}")
        self._table: Mapping[str, Any] = table
        self._error = error
        self.where = where
        self._taken: set[str] = set()

    def refuse(self, key: str, wanted: str) -> EdgescaleError:
        """Builds the error for a value that is not what was needed."""
        found = _shown(self._table[key])
        return self._error(f"{self.where}.{_brief(key)}: expected {wanted}, got {found}")

    def names(self) -> list[str]:
        """Returns all keys, for a table whose keys are data."""
        return list(self._table)

    def has(self, key: str) -> bool:
        """Says whether the key is there and not null."""
        return self._table.get(key) is not None

    def take(self, key: str, default: Any = REQUIRED) -> Any:
        """Returns the raw value; the caller checks it."""
        self._taken.add(key)
        if key in self._table:
            return self._table[key]
        if default is REQUIRED:
            near = difflib.get_close_matches(key, [k for k in self._table if k != key], 1, 0.75)
            hint = f" (found '{near[0]}', did you mean '{key}'?)" if near else ""
            raise self._error(f"{self.where}: '{key}' is missing{hint}")
        return default

    def text(
        self,
        key: str,
        default: Any = REQUIRED,
        *,
        choices: Collection[str] | None = None,
        longest: int = 10_000,
    ) -> Any:
        """Returns a string, one of ``choices`` where they are given."""
        value = self.take(key, default)
        if value is default:
            return value
        if not isinstance(value, str) or len(value) > longest:
            raise self.refuse(key, f"a text of at most {longest} characters")
        if choices is not None and value not in choices:
            unknown = f"'{_brief(value)}' is not known{did_you_mean(value, choices)}"
            raise self._error(f"{self.where}.{_brief(key)}: {unknown}")
        return value

    def integer(self, key: str, default: Any = REQUIRED, *, low: int = 0, high: int = 2**53) -> Any:
        """Returns a whole number from ``low`` to ``high``."""
        value = self.take(key, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refuse(key, f"a whole number from {low} to {high}")
        return value

    def number(
        self, key: str, default: Any = REQUIRED, *, low: float = -1e12, high: float = 1e12
    ) -> Any:
        """Returns a finite number from ``low`` to ``high`` as a float."""
        value = self.take(key, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(key, "a number")
        if not low <= value <= high:  # false for NaN too
            raise self.refuse(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Returns a finite number, or None where it is null."""
        value: float | None = self.number(key) if self.has(key) else self.take(key)
        return value

    def optional_integer(self, key: str) -> int | None:
        """Returns a whole number that is not negative, or None where it is null."""
        value: int | None = self.integer(key) if self.has(key) else self.take(key)
        return value

    def optional_text(self, key: str) -> str | None:
        """Returns a string, or None where it is null."""
        value: str | None = self.text(key) if self.has(key) else self.take(key)
        return value

    def sha256(self, key: str) -> str:
        """Returns a sha256 in hex."""
        value: str = self.text(key, longest=64)
        if not _SHA256.fullmatch(value):
            raise self.refuse(key, "a sha256 of 64 hex digits")
        return value

    def boolean(self, key: str, default: Any = REQUIRED) -> Any:
        """Returns true or false."""
        value = self.take(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def items(self, key: str, default: Any = REQUIRED, *, most: int = 100_000) -> Any:
        """Returns a list of at most ``most`` raw values; the caller checks each."""
        value = self.take(key, default)
        if value is not default and (not isinstance(value, list) or len(value) > most):
            raise self.refuse(key, f"a list of at most {most} values")
        return value

    def texts(
        self, key: str, default: Any = REQUIRED, *, most: int = 100_000, longest: int = 1_000
    ) -> Any:
        """Returns a tuple of strings."""
        value = self.items(key, default, most=most)
        if value is default:
            return value
        if not all(isinstance(item, str) and len(item) <= longest for item in value):
            raise self.refuse(key, f"a list of texts of at most {longest} characters")
        return tuple(value)

    def numbers(self, key: str, default: Any = REQUIRED, *, most: int = 1_000) -> Any:
        """Returns a tuple of finite floats."""
        value = self.items(key, default, most=most)
        if value is default:
            return value
        good = all(
            isinstance(item, int | float)
            and not isinstance(item, bool)
            and -_LARGEST <= item <= _LARGEST
            for item in value
        )
        if not good:
            raise self.refuse(key, "a list of numbers")
        return tuple(float(item) for item in value)

    def table(self, key: str) -> "Fields":
        """Returns the table under this key as fields of their own."""
        return Fields(self.take(key), f"{self.where}.{_brief(key)}", self._error)

    def tables(self, key: str, *, most: int = 1_000) -> list["Fields"]:
        """Returns the list of tables under this key."""
        return [
            Fields(item, f"{self.where}.{key}[{index}]", self._error)
            for index, item in enumerate(self.items(key, most=most))
        ]

    def optional_table(self, key: str) -> "Fields | None":
        """Returns the table under this key, or None where it is absent or null."""
        return self.table(key) if self.has(key) else self.take(key, None)

    def close(self) -> None:
        """Refuses every key that was not taken.

        Raises:
            EdgescaleError: of the class given, naming the unknown key and the nearest known one.
        """
        self.refuse_unknown(self._taken)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuses every key that is not among these, before any value is looked at.

        Raises:
            EdgescaleError: of the class given, naming the unknown key and the nearest known one.
        """
        for key in self._table:
            if key not in known:
                raise self._error(
                    f"{self.where}: unknown key '{_brief(key)}'{did_you_mean(key, known)}"
                )


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list):  # its values were not looked at, one may be a secret
        return "a table" if isinstance(value, Mapping) else "a list"
    short = reprlib.Repr()
    short.maxstring = short.maxlong = _SHOWN_CHARACTERS
    # Before it is shortened: half a credential is not known as one.
    return _brief(short.repr(without_credentials(value) if isinstance(value, str) else value))


def _brief(text: str) -> str:
    text = without_credentials(text)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
