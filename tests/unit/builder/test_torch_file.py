"""The restricted reader of legacy torch files, on files made here without torch."""

import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgescale.builder.torch_file import read_torch_file
from edgescale.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C


class FloatStorage:
    """Stands in for torch.FloatStorage while a test file is pickled."""

    __module__ = "torch"


def rebuild(*_: Any) -> None:
    """Stands in for torch._utils._rebuild_tensor_v2."""


class Tensor:
    def __init__(self, key: str, count: int, view: tuple[Any, ...]) -> None:
        self.storage = ("storage", FloatStorage, key, "cpu", count, None)
        self.view = view

    def __reduce__(self) -> Any:
        return rebuild, (Stored(self.storage), *self.view, False, OrderedDict())


class Stored:
    def __init__(self, pid: Any) -> None:
        self.pid = pid


class Writer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Stored) else None


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    torch, inner = ModuleType("torch"), ModuleType("torch._utils")
    torch.FloatStorage = FloatStorage  # type: ignore[attr-defined]
    inner._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    monkeypatch.setattr(rebuild, "__module__", "torch._utils")
    monkeypatch.setattr(rebuild, "__qualname__", "_rebuild_tensor_v2")


def torch_file(named: Any, storages: dict[str, np.ndarray[Any, Any]]) -> bytes:
    content = io.BytesIO()
    for item in (MAGIC, 1001, {"little_endian": True}):
        pickle.dump(item, content, 2)
    Writer(content, 2).dump(named)
    pickle.dump(sorted(storages), content, 2)
    for key in sorted(storages):
        content.write(struct.pack("<q", storages[key].size))
        content.write(storages[key].astype("<f4").tobytes())
    return content.getvalue()


def test_honours_offset_and_strides(tmp_path: Path) -> None:
    storage = np.arange(12, dtype=np.float32)
    named = OrderedDict(
        turned=Tensor("a", 12, (0, (4, 3), (1, 4))), tail=Tensor("a", 12, (10, (2,), (1,)))
    )
    (tmp_path / "w.pth").write_bytes(torch_file(named, {"a": storage}))
    tensors = read_torch_file(tmp_path / "w.pth")
    np.testing.assert_array_equal(tensors["turned"], storage.reshape(3, 4).T)
    np.testing.assert_array_equal(tensors["tail"], [10, 11])


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("place", ["value", "first"])
def test_a_malicious_pickle_runs_nothing(place: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = pickle.dumps(Malicious(mark), 2)
    if place == "value":
        content = torch_file(OrderedDict(weight=Malicious(mark)), {})
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"'(posix|nt)\.mkdir', which no tensor needs"):
        read_torch_file(tmp_path / "w.pth")
    assert not mark.exists()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param((0, (13,), (1,)), id="too-long"),
        pytest.param((0, (2, 2), (1, 99)), id="stride-outside"),
        pytest.param((-1, (2,), (1,)), id="negative-offset"),
        pytest.param((5, (2,), (-1,)), id="negative-stride"),
        pytest.param((0, (2, 2), (1,)), id="strides-missing"),
    ],
)
def test_refuses_views_outside_the_storage(view: tuple[Any, ...], tmp_path: Path) -> None:
    named = OrderedDict(weight=Tensor("a", 12, view))
    (tmp_path / "w.pth").write_bytes(torch_file(named, {"a": np.zeros(12, np.float32)}))
    with pytest.raises(WeightsError):
        read_torch_file(tmp_path / "w.pth")


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    named = OrderedDict(weight=Tensor("a", 12, (0, (12,), (1,))))
    whole = torch_file(named, {"a": np.zeros(12, np.float32)})
    for length in range(len(whole)):
        (tmp_path / "w.pth").write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            read_torch_file(tmp_path / "w.pth")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_torch_file(tmp_path / "none.pth")
