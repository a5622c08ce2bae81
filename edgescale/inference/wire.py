"""What goes over the worker's pipes: a head of kind and length, then JSON or a packed result.

A request for a picture is one byte, the slot that holds it. Both ends run the same code on the same
machine, so numbers are in native order. What comes from the child is checked all the same: a
driver that writes past its memory may spoil it.
"""

import json
import struct
from collections.abc import Sequence
from math import isfinite
from typing import Any

SLOTS = 2

FDS = ("memory", "requests", "answers")  # what a model's part of the child is given

LOAD = 1  # to the child: open another model
READY, RESULT, ERROR, LOADING = 2, 3, 4, 5  # from the child
_LARGEST_PAYLOAD = 2**24  # far more than the top k of any model

_HEAD = struct.Struct("=BI")
_RESULT = struct.Struct("=dI")
HEAD_BYTES = _HEAD.size


def message(kind: int, payload: bytes) -> bytes:
    """Puts the head before a payload."""
    return _HEAD.pack(kind, len(payload)) + payload


def take_message(received: bytearray) -> tuple[int, bytes] | None:
    """Takes the first whole message off what has been received, if there is one.

    Raises:
        ValueError: this is no message.
    """
    if len(received) < _HEAD.size:
        return None
    kind, length = _HEAD.unpack_from(received)
    if kind not in (READY, RESULT, ERROR, LOADING) or length > _LARGEST_PAYLOAD:
        raise ValueError(f"a message of kind {kind} and {length} bytes")
    end = _HEAD.size + length
    if len(received) < end:
        return None
    payload = bytes(received[_HEAD.size : end])
    del received[:end]
    return kind, payload


def length_of(head: bytes) -> int:
    """Returns the length that a head announces."""
    length: int = _HEAD.unpack(head)[1]
    return length


def pack_result(invoke_ms: float, class_ids: Sequence[int], scores: Sequence[float]) -> bytes:
    """Packs the top k of one picture."""
    k = len(class_ids)
    return _RESULT.pack(invoke_ms, k) + struct.pack(f"={k}i{k}d", *class_ids, *scores)


def unpack_result(payload: bytes, labels: int) -> tuple[float, tuple[int, ...], tuple[float, ...]]:
    """Returns invoke time in ms, class ids (-1, or below the number of labels) and scores.

    Raises:
        ValueError: this is no result.
    """
    try:
        invoke_ms, k = _RESULT.unpack_from(payload)
        values = struct.unpack(f"={k}i{k}d", payload[_RESULT.size :])
    except struct.error as problem:
        raise ValueError(str(problem)) from problem
    class_ids, scores = values[:k], values[k:]
    if not all(-1 <= one < labels for one in class_ids):
        raise ValueError(f"class ids {class_ids}")
    if not all(map(isfinite, (invoke_ms, *scores))):
        raise ValueError("numbers that are not finite")
    return invoke_ms, class_ids, scores


def unpack_record(payload: bytes, *names: str) -> dict[str, Any]:
    """Returns a JSON object that has at least these names.

    Raises:
        ValueError: this is none.
    """
    try:
        record = json.loads(payload)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
    if not isinstance(record, dict) or not record.keys() >= set(names):
        raise ValueError(f"not an object with {', '.join(names)}")
    return record
