"""The values of a FlexBuffer map, by key: the wrapping of an Edge TPU operator's options.

Read here and not with ``flatbuffers.flexbuffers``, because that one decodes strings as UTF-8 (the
package is one, and is not) and trusts every offset. Layout: flatbuffers.dev, "FlexBuffers"; types
and widths as in ``flexbuffers.h``. Nothing is copied: a string is a view of the file's bytes.
"""

import struct
from dataclasses import dataclass

MOST_ITEMS = 100  # keys of a map, or items of a vector; the real ones have five keys

_INT, _STRING, _MAP, _VECTOR, _BLOB = 1, 5, 9, 10, 25
_TYPED_INTS = 11  # a vector that says once that all its items are ints
_FORMATS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_LONGEST_KEY = 100

Value = int | memoryview | tuple[int | memoryview, ...]


@dataclass(frozen=True)
class _Place:
    """Where a value begins, the width of its parts, and its type."""

    start: int
    width: int
    kind: int


class FlexMap:
    """A FlexBuffer whose root is a map; its values are read when they are asked for."""

    def __init__(self, content: memoryview) -> None:
        """Finds the keys.

        Raises:
            ValueError: no map, or an offset or a count leads out of the buffer.
        """
        self._content = content
        self._root = _root(content)
        keys = _keys(content, self._root)
        if len(keys) != _count(content, self._root):
            raise ValueError("a map needs as many keys as values")
        self._index = {key: index for index, key in enumerate(keys)}

    def value(self, key: str) -> Value | None:
        """Returns an int, a string as bytes, or a vector of them; None where there is none.

        Raises:
            ValueError: an offset or a count leads out of the buffer.
        """
        if key not in self._index:
            return None
        place = _item(self._content, self._root, self._index[key])
        if place.kind not in (_VECTOR, _TYPED_INTS):
            return _plain(self._content, place)
        items = (_item(self._content, place, i) for i in range(_count(self._content, place)))
        values = (_plain(self._content, item) for item in items)
        return tuple(value for value in values if value is not None)


def _root(content: memoryview) -> _Place:
    """The last byte is the width of the root, the one before it packs type and width."""
    if len(content) < 3:
        raise ValueError("too short")
    packed, width = content[-2], content[-1]
    if width not in _FORMATS:
        raise ValueError("no such width")
    start = _indirect(content, len(content) - 2 - width, width)
    root = _Place(start, 1 << (packed & 3), packed >> 2)
    if root.kind != _MAP:
        raise ValueError("the root is no map")
    return root


def _keys(content: memoryview, place: _Place) -> list[str]:
    """Before a map's length stand the offset of its keys and the width of their offsets."""
    keys_start = _indirect(content, place.start - 3 * place.width, place.width)
    keys_width = _number(content, place.start - 2 * place.width, place.width)
    if keys_width not in _FORMATS:
        raise ValueError("no such width")
    keys = _Place(keys_start, keys_width, _VECTOR)
    starts = (keys_start + index * keys_width for index in range(_count(content, keys)))
    return [_key(content, _indirect(content, start, keys_width)) for start in starts]


def _key(content: memoryview, start: int) -> str:
    text, end, _ = bytes(content[start : start + _LONGEST_KEY]).partition(b"\0")
    if not end:
        raise ValueError("a key without an end")
    return text.decode("latin-1")


def _item(content: memoryview, vector: _Place, index: int) -> _Place:
    """Returns where an item stands; behind the items is one byte of type and width for each."""
    length = _count(content, vector)
    start = vector.start + index * vector.width
    if vector.kind == _TYPED_INTS:
        return _Place(start, vector.width, _INT)
    types = vector.start + length * vector.width
    packed = _number(content, types + index, 1)
    if packed >> 2 == _INT:  # stands in the vector itself, in the vector's width
        return _Place(start, vector.width, _INT)
    return _Place(_indirect(content, start, vector.width), 1 << (packed & 3), packed >> 2)


def _plain(content: memoryview, place: _Place) -> int | memoryview | None:
    if place.kind == _INT:
        number = _number(content, place.start, place.width)
        sign = 1 << (8 * place.width - 1)
        return number - 2 * sign if number & sign else number
    if place.kind in (_STRING, _BLOB):
        length = _number(content, place.start - place.width, place.width)
        if length > len(content) - place.start:
            raise ValueError("a string leads out of the buffer")
        return content[place.start : place.start + length]
    return None


def _count(content: memoryview, place: _Place) -> int:
    length = _number(content, place.start - place.width, place.width)
    if length > MOST_ITEMS:
        raise ValueError(f"{length} items, more than {MOST_ITEMS}")
    return length


def _indirect(content: memoryview, at: int, width: int) -> int:
    """Follows an offset, which leads back from where it stands."""
    return at - _number(content, at, width)


def _number(content: memoryview, at: int, width: int) -> int:
    if at < 0 or at + width > len(content):
        raise ValueError("an offset leads out of the buffer")
    number: int = struct.unpack_from(_FORMATS[width], content, at)[0]
    return number
