import struct
from typing import Any

import pytest
from flatbuffers import flexbuffers

from edgescale.edgetpu import flexbuffer
from edgescale.edgetpu.flexbuffer import FlexMap


def packed(**values: Any) -> memoryview:
    return memoryview(bytes(flexbuffers.Dumps(values)))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param(7, 7, id="an int of one byte"),
        pytest.param(-1, -1, id="a negative int"),
        pytest.param(70_000, 70_000, id="an int of four bytes"),
        pytest.param(-(2**40), -(2**40), id="an int of eight bytes"),
        pytest.param([18, 300], (18, 300), id="a vector of ints"),
        pytest.param([18, "x"], (18, b"x"), id="a vector of several types"),
        pytest.param([], (), id="an empty vector"),
        pytest.param("text", b"text", id="a string"),
        pytest.param("x" * 70_000, b"x" * 70_000, id="a string with a long length"),
        pytest.param(b"\xff\0\xfe", b"\xff\0\xfe", id="bytes that are no text"),
        pytest.param(1.5, None, id="a type that no key has"),
        pytest.param(None, None, id="null"),
    ],
)
def test_reads_what_the_package_of_flatbuffers_writes(written: Any, read: Any) -> None:
    values = FlexMap(packed(a=written, z="behind"))
    found: tuple[Any, ...] = tuple(map(values.value, "az"))
    assert found == (read, b"behind")
    assert values.value("absent") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x24\x01", id="two bytes"),
        pytest.param(b"\0\0\0\x28\x01", id="a vector"),
        pytest.param(b"\0\0\0\x24\x03", id="a width there is not"),
        pytest.param(b"\xff\x24\x01", id="an offset before the buffer"),
        pytest.param(b"\0" * 8 + b"\x01\x24\x01", id="a map before whose length nothing stands"),
    ],
)
def test_refuses_what_is_no_map(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        FlexMap(memoryview(content)).value("4")


def test_refuses_a_length_beyond_the_buffer() -> None:
    content = bytearray(flexbuffers.Dumps({"4": "x" * 300}))
    place = content.index(struct.pack("<H", 300))
    content[place : place + 2] = struct.pack("<H", 60_000)
    with pytest.raises(ValueError, match="leads out of the buffer"):
        FlexMap(memoryview(bytes(content))).value("4")


def test_the_number_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(**{f"key{index}": index for index in range(12)})
    assert FlexMap(content).value("key7") == 7
    monkeypatch.setattr(flexbuffer, "MOST_ITEMS", 10)
    with pytest.raises(ValueError, match="12 items, more than 10"):
        FlexMap(content)


def test_keeps_views_and_copies_nothing() -> None:
    content = packed(a="x" * 1000)
    found = FlexMap(content).value("a")
    assert isinstance(found, memoryview)
    assert found.obj is content.obj
