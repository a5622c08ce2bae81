"""What goes over the worker's pipes: a head of kind and length, then JSON or a packed result.

Requests are one byte, the slot that holds the picture. Both ends run the same code on the same
machine, so numbers are in native order.
"""

import struct
from collections.abc import Sequence

SLOTS = 2

READY, RESULT, ERROR = 1, 2, 3

_HEAD = struct.Struct("=BI")
_RESULT = struct.Struct("=dI")


def message(kind: int, payload: bytes) -> bytes:
    """Puts the head before a payload."""
    return _HEAD.pack(kind, len(payload)) + payload


def take_message(received: bytearray) -> tuple[int, bytes] | None:
    """Takes the first whole message off what has been received, if there is one."""
    if len(received) < _HEAD.size:
        return None
    kind, length = _HEAD.unpack_from(received)
    end = _HEAD.size + length
    if len(received) < end:
        return None
    payload = bytes(received[_HEAD.size : end])
    del received[:end]
    return kind, payload


def pack_result(invoke_ms: float, class_ids: Sequence[int], scores: Sequence[float]) -> bytes:
    """Packs the top k of one picture."""
    k = len(class_ids)
    return _RESULT.pack(invoke_ms, k) + struct.pack(f"={k}i{k}d", *class_ids, *scores)


def unpack_result(payload: bytes) -> tuple[float, tuple[int, ...], tuple[float, ...]]:
    """Returns invoke time in ms, class ids and scores."""
    invoke_ms, k = _RESULT.unpack_from(payload)
    values = struct.unpack_from(f"={k}i{k}d", payload, _RESULT.size)
    return invoke_ms, values[:k], values[k:]
