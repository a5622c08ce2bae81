"""Damaged model files, the same ones for a seed: what a reader must refuse and never crash on.

Blind damage mostly hits weights, which no reader looks at. Half of it is therefore aimed: at words
that are offsets or counts, at the tables of field offsets, and at the package of the Edge TPU.
"""

import random
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from edgescale.inference.runtime import PROBE_MODEL
from tests.planted_faults import INT32, Model, sound_model
from tests.tiny_models import Tiny, tiny_model
from tests.tiny_packages import (
    EXECUTION,
    STAND_ALONE,
    TinyExecutable,
    TinyPackage,
    bundle_bytes,
    compiled_tflite,
    options_bytes,
    overlapping_bytes,
    package_bytes,
    same_layers_bytes,
)

# What a length or an offset becomes: none, all, signs, and a little more than there is.
_WORDS = (0, 1, 2, 3, 4, 8, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFF_FFF0, 0x7FFF_FFFF,
          0x8000_0000, 0xFFFF_FF00, 0xFFFF_FFFC, 0xFFFF_FFFF)  # fmt: skip
_LARGEST_BYTES = 200_000
_Aims = tuple[tuple[int, ...], ...]
_Way = Callable[[bytearray, random.Random, _Aims, bytes], None]


def tiny_sources() -> list[bytes]:
    """Returns small whole models, plain and compiled, made here."""
    package = package_bytes()
    alone = package_bytes(TinyPackage((TinyExecutable(STAND_ALONE, 64, cycles=9),), 10, "1.0"))
    # Small files that seem large: just within the limits, so that damage leads beyond them too.
    long = overlapping_bytes(same_layers_bytes(24, b"\xff" * 900), 4)
    many = package_bytes(TinyPackage((TinyExecutable(EXECUTION),) * 6))
    return [
        tiny_model(),
        tiny_model(Tiny(per_channel=True)),
        tiny_model(Tiny(weight=0.5)),
        PROBE_MODEL.read_bytes(),
        compiled_tflite(options_bytes(package)),
        compiled_tflite(options_bytes(package), beside=True),
        compiled_tflite(options_bytes(alone), options_bytes(package, [alone])),
        compiled_tflite(options_bytes(bundle_bytes([package, many]))),
        compiled_tflite(options_bytes(long)),
        sound_model().content,
        spread_model(),
        compiled_tflite(b"options", name="DEPTHWISE_CONV_2D"),  # which it is not
    ]


def spread_model() -> bytes:
    """Returns a model whose MACs are not its output's positions times its weights.

    A transposed convolution from 4x4 to 8x8 (its 5*3*3*6 weights act once for each of 16 positions
    read) and a dense layer of 7 units over the 64 rows of 5 channels that it writes.
    """
    model = Model()
    image = model.tensor("image", [1, 4, 4, 6], scales=[1 / 8])
    wide = model.tensor("wide", [1, 8, 8, 5], scales=[1 / 8])
    scores = model.tensor("scores", [64, 7], scales=[1 / 8])
    shape = model.tensor("shape", [4], INT32, data=np.array([1, 8, 8, 5], np.int32))
    kernel = model.tensor("kernel", [5, 3, 3, 6], scales=[1 / 8], data=np.ones(270, np.int8))
    dense = model.tensor("dense", [7, 5], scales=[1 / 8], data=np.ones(35, np.int8))
    model.operator("TRANSPOSE_CONV", [shape, kernel, image], [wide])
    model.operator("FULLY_CONNECTED", [wide, dense], [scores])
    model.graph.inputs, model.graph.outputs = [image], [scores]
    return model.content


def coral_sources(data: Path) -> list[bytes]:
    """Returns the small real models of Coral's test data, none where it is absent."""
    names = ("invalid_models/model_invoking_error.tflite",
             "models/split_concat_edgetpu.tflite",
             "models/keras_lstm_mnist_ptq_edgetpu.tflite")  # fmt: skip
    return [(data / name).read_bytes() for name in names if (data / name).is_file()]


def mutated(source: bytes, seed: int, other: bytes = b"") -> bytes:
    """Returns the source damaged in one to four ways; ``other`` gives pieces to splice in."""
    chance = random.Random(seed)
    content = bytearray(source)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if len(content) < 8:
            break
        chance.choice(_WAYS)(content, chance, _aims(bytes(source)), other or source)
    return bytes(content[:_LARGEST_BYTES])


@lru_cache(maxsize=64)
def _aims(source: bytes) -> _Aims:
    """Returns places worth damage: offsets and counts, tables of fields, the package's edges."""
    words = struct.unpack_from(f"<{len(source) // 4}I", source)
    offsets = [4 * i for i, word in enumerate(words) if 0 < word < min(4096, len(source) - 4 * i)]
    tables = [4 * i for i, word in enumerate(words) if _leads_to_fields(source, 4 * i, word)]
    package = [
        place
        for start in _found(source, b"DWN1")
        for place in range(max(0, start - 16), min(start + 512, len(source)))
    ]
    tail = list(range(max(0, len(source) - 1024), len(source)))
    return tuple(tuple(places or range(len(source))) for places in (offsets, tables, package, tail))


def _leads_to_fields(source: bytes, place: int, word: int) -> bool:
    """A table begins with how far before (or behind) it the offsets of its fields stand."""
    distance = word - 2**32 if word >= 2**31 else word
    fields = place - distance
    if not distance or abs(distance) > 4096 or not 0 <= fields < len(source) - 2:
        return False
    size = int.from_bytes(source[fields : fields + 2], "little")
    return 4 <= size <= 64 and size % 2 == 0


def _found(source: bytes, sought: bytes) -> list[int]:
    places: list[int] = []
    place = source.find(sought)
    while place >= 0 and len(places) < 8:
        places.append(place)
        place = source.find(sought, place + 1)
    return places


def _flip(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    for _turn in range(chance.choice((1, 1, 2, 8))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _fill(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    start, length = chance.randrange(len(content)), chance.choice((1, 2, 4, 16, 100))
    end = min(len(content), start + length)
    content[start:end] = bytes([chance.choice((0, 0xFF, chance.randrange(256)))]) * (end - start)


def _truncate(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    del content[chance.randrange(len(content)) :]


def _remove(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    start = chance.randrange(len(content))
    del content[start : start + chance.choice((1, 4, 64))]


def _splice(content: bytearray, chance: random.Random, aims: _Aims, other: bytes) -> None:
    start, begin = chance.randrange(len(content)), chance.randrange(len(other))
    piece = other[begin : begin + chance.choice((4, 16, 64, 512))]
    replaced = len(piece) if chance.random() < 0.7 else 0
    content[start : start + replaced] = piece


def _word(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    """Writes a length or an offset at any word."""
    _write(content, 4 * chance.randrange(len(content) // 4), chance)


def _aimed(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    """Writes one at a place that holds an offset, a count, a table or the package."""
    place = chance.choice(chance.choice(aims))
    if place + 4 > len(content):
        return
    if chance.random() < 0.5:
        _write(content, place, chance)
        return
    number = int.from_bytes(content[place : place + 4], "little")
    nudged = (number + chance.choice((-8, -4, -2, -1, 1, 2, 4, 8, 256, -256))) % 2**32
    content[place : place + 4] = nudged.to_bytes(4, "little")


def _slots(content: bytearray, chance: random.Random, aims: _Aims, _: bytes) -> None:
    """Damages the offset of one field in a table's list of them."""
    place = chance.choice(aims[1])
    if place + 4 > len(content):
        return
    fields = place - int.from_bytes(content[place : place + 4], "little", signed=True)
    slot = fields + 2 * chance.randrange(12)
    if slot >= 0 and slot + 2 <= len(content):
        content[slot : slot + 2] = (chance.choice(_WORDS) % 2**16).to_bytes(2, "little")


def _write(content: bytearray, place: int, chance: random.Random) -> None:
    word = chance.choice((*_WORDS, len(content), len(content) - place, place, 2 * len(content)))
    content[place : place + 4] = (word % 2**32).to_bytes(4, "little")


_WAYS: tuple[_Way, ...] = (
    _flip, _fill, _truncate, _remove, _splice, _word, _aimed, _aimed, _aimed, _aimed, _slots, _slots
)  # fmt: skip
