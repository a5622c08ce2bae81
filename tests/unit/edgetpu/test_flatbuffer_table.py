import struct
from collections.abc import Callable
from typing import Any

import pytest

from edgescale.edgetpu.flatbuffer_table import Table


def one_field(field: bytes, *, slot: int = 0, offset: int = 4) -> memoryview:
    """Returns a root offset, the offsets of the fields, and a table whose last field is given."""
    offsets = [0] * slot + [offset]
    fields = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), 8, *offsets)
    start = 4 + len(fields)
    return memoryview(struct.pack("<I", start) + fields + struct.pack("<i", len(fields)) + field)


@pytest.mark.parametrize(
    ("field", "read", "value"),
    [
        pytest.param(b"\xff\xff", lambda table: table.int16(0), -1, id="16 bits"),
        pytest.param(b"\xfe\xff\xff\xff", lambda table: table.int32(0), -2, id="32 bits"),
        pytest.param(b"\xff" * 8, lambda table: table.uint64(0), 2**64 - 1, id="64 bits"),
        pytest.param(b"\0\0\0\x3f", lambda table: table.float32(0), 0.5, id="a fraction"),
        pytest.param(b"\4\0\0\0\2\0\0\0\xc3\xfe", lambda table: table.text(0), "\ufffd" * 2,
                     id="a string that is no text"),
        pytest.param(b"", lambda table: table.int32(9, default=1), 1, id="a field left out"),
        pytest.param(b"", lambda table: list(table.tables(9)), [], id="a vector left out"),
    ],
)  # fmt: skip
def test_reads_a_field(field: bytes, read: Callable[[Table], Any], value: Any) -> None:
    assert read(Table.root(one_field(field))) == value


@pytest.mark.parametrize(
    ("field", "read"),
    [
        pytest.param(b"\0", lambda table: table.int32(0), id="a number cut short"),
        pytest.param(b"\xff\xff\0\0", lambda table: table.bytes_view(0), id="an offset outside"),
        pytest.param(b"\4\0\0\0\xff\0\0\0", lambda table: table.bytes_view(0), id="a length"),
        pytest.param(b"\4\0\0\0\xff\0\0\0", lambda table: table.count(0), id="a count"),
        pytest.param(b"\0\0\x80\x7f", lambda table: table.float32(0), id="infinity"),
        pytest.param(b"\4\0\0\0\1\0\0\x7f", lambda table: table.table(0), id="no table there"),
    ],
)
def test_refuses_what_leads_out_of_the_buffer(field: bytes, read: Callable[[Table], Any]) -> None:
    with pytest.raises(ValueError, match=r"leads? out of the buffer|no finite number"):
        read(Table.root(one_field(field)))


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff" * 20, struct.pack("<Ii", 4, -(2**31))])
def test_refuses_a_root_that_is_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="out of the buffer"):
        Table.root(memoryview(content))
