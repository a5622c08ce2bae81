"""A table of a FlatBuffer in which every offset, length and count is checked before it is used.

``flatbuffers.table`` trusts what it reads (a negative offset reads from the end, a length beyond
the buffer gives a shorter vector); a compiled model is foreign input. Layout: flatbuffers.dev,
"FlatBuffer internals". Vectors of bytes are views: nothing is copied.
"""

import struct
from collections.abc import Iterator
from math import isfinite
from typing import TypeVar

LONGEST_TEXT_BYTES = 1_000

_OfKind = TypeVar("_OfKind", bound="Table")  # tables in a table are read by the same class


class Table:
    """One table of a buffer; fields are named by their slot, from 0, and have a default."""

    def __init__(self, content: memoryview, start: int) -> None:
        """Finds the table's field offsets, which stand in a table of their own."""
        self._content = content
        self._start = start
        fields = start - _number("<i", content, start)
        self._fields, self._slots_bytes = fields, _number("<H", content, fields)
        if self._slots_bytes < 4 or fields + self._slots_bytes > len(content):
            raise ValueError("a table's fields lead out of the buffer")

    @classmethod
    def root(cls: type[_OfKind], content: memoryview) -> _OfKind:
        """Returns the table that a buffer begins with."""
        return cls(content, _number("<I", content, 0))

    def uint8(self, slot: int) -> int:
        """Returns an 8-bit whole number without sign, 0 where there is none."""
        return self._scalar(slot, "<B", 0)

    def int16(self, slot: int) -> int:
        """Returns a 16-bit whole number, 0 where there is none."""
        return self._scalar(slot, "<h", 0)

    def int32(self, slot: int, default: int = 0) -> int:
        """Returns a 32-bit whole number."""
        return self._scalar(slot, "<i", default)

    def int64(self, slot: int) -> int:
        """Returns a 64-bit whole number, 0 where there is none."""
        return self._scalar(slot, "<q", 0)

    def uint64(self, slot: int) -> int:
        """Returns a 64-bit whole number without sign, 0 where there is none."""
        return self._scalar(slot, "<Q", 0)

    def float32(self, slot: int) -> float:
        """Returns a number, 0 where there is none; infinity and NaN are damage."""
        place = self._place(slot)
        if place is None:
            return 0.0
        value: float = struct.unpack_from("<f", self._content, _inside(self._content, place, 4))[0]
        if not isfinite(value):
            raise ValueError("a scale is no finite number")
        return value

    def table(self: _OfKind, slot: int) -> _OfKind | None:
        """Returns a table in this one."""
        place = self._place(slot)
        return None if place is None else type(self)(self._content, self._follow(place))

    def bytes_view(self, slot: int) -> memoryview:
        """Returns a vector of bytes, or a string that need not be text; empty if it is none."""
        place = self._place(slot)
        return self._content[:0] if place is None else self._bytes_at(self._follow(place))

    def text(self, slot: int) -> str:
        """Returns a string, cut where it is too long to be a name."""
        return bytes(self.bytes_view(slot)[:LONGEST_TEXT_BYTES]).decode("utf-8", "replace")

    def count(self, slot: int) -> int:
        """Returns how many offsets a vector of tables or strings has."""
        place = self._place(slot)
        if place is None:
            return 0
        start = self._follow(place)
        length = _number("<I", self._content, start)
        _inside(self._content, start + 4, 4 * length)
        return length

    def tables(self: _OfKind, slot: int) -> Iterator[_OfKind]:
        """Yields the tables of a vector."""
        for place in self._items(slot):
            yield type(self)(self._content, self._follow(place))

    def byte_strings(self, slot: int) -> Iterator[memoryview]:
        """Yields the strings of a vector, as bytes."""
        for place in self._items(slot):
            yield self._bytes_at(self._follow(place))

    def _items(self, slot: int) -> Iterator[int]:
        count, place = self.count(slot), self._place(slot)
        if place is not None:
            start = self._follow(place) + 4
            yield from range(start, start + 4 * count, 4)

    def _scalar(self, slot: int, form: str, default: int) -> int:
        place = self._place(slot)
        return default if place is None else _number(form, self._content, place)

    def _place(self, slot: int) -> int | None:
        """Returns where a field stands, or None where the table leaves it out."""
        if 4 + 2 * slot + 2 > self._slots_bytes:
            return None
        offset = _number("<H", self._content, self._fields + 4 + 2 * slot)
        return self._start + offset if offset else None

    def _follow(self, place: int) -> int:
        return place + _number("<I", self._content, place)

    def _bytes_at(self, start: int) -> memoryview:
        length = _number("<I", self._content, start)
        begin = _inside(self._content, start + 4, length)
        return self._content[begin : begin + length]


def _number(form: str, content: memoryview, at: int) -> int:
    number: int = struct.unpack_from(form, content, _inside(content, at, struct.calcsize(form)))[0]
    return number


def _inside(content: memoryview, at: int, size_bytes: int) -> int:
    if at < 0 or at + size_bytes > len(content):
        raise ValueError("an offset or a length leads out of the buffer")
    return at
