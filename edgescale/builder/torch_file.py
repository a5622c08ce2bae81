"""Reads the tensors of a legacy (pre-zip) torch file with numpy alone.

Published weights come as such files, and torch is 2.7 GB to read 20 MB. A pickle can run code, so
this unpickler knows exactly the names that a state dict needs and refuses every other one.
Layout (torch/serialization.py, ``_legacy_load``): three pickles (magic number, protocol version,
system facts), the pickled dict, the pickled list of storage keys, then each storage as an int64
element count and its raw elements.
"""

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgescale.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST_FILE_BYTES = 2**30
_DTYPES: dict[tuple[str, str], np.dtype[Any]] = {
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


@dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage:
    """A flat buffer that the file holds after the pickles."""

    key: str
    dtype: np.dtype[Any]
    elements: int


@dataclass(frozen=True)
class _Tensor:
    """A view into a storage: offset, shape and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Returns the tensors of a state dict by name, as contiguous arrays.

    Raises:
        WeightsError: not such a file, damaged, or one that asks for anything but tensors.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise WeightsError(f"{path}: larger than 1 GiB, which no weight file here is")
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as problem:
        raise WeightsError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ImportError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as problem:  # what unpickling damaged bytes can raise
        raise WeightsError(
            f"{path}: not a usable torch weight file ({problem}); install the"
            " package that carries it again"
        ) from problem


def _read(file: BinaryIO, path: Path) -> dict[str, NDArray[Any]]:
    if _unpickled(file) != _MAGIC or _unpickled(file) != _PROTOCOL:
        raise WeightsError(f"{path}: not a torch file of the legacy format")
    _unpickled(file)  # byte order and type sizes of the writer; torch itself ignores them
    named = _unpickled(file)
    keys = _unpickled(file)
    if not isinstance(named, dict) or not isinstance(keys, list):
        raise WeightsError(f"{path}: holds no dict of tensors")
    storages = _storages_of(named, path)
    if sorted(storages) != sorted(keys):
        raise WeightsError(f"{path}: its storages are not those its tensors use")
    buffers = {key: _buffer(file, storages[key]) for key in keys}
    return {name: _array(tensor, buffers[tensor.storage.key]) for name, tensor in named.items()}


def _storages_of(named: dict[Any, Any], path: Path) -> dict[str, _Storage]:
    storages: dict[str, _Storage] = {}
    for name, tensor in named.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise WeightsError(f"{path}: '{name}' is not a tensor")
        storages[tensor.storage.key] = tensor.storage
    return storages


def _buffer(file: BinaryIO, storage: _Storage) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little", signed=True)
    if count != storage.elements:
        raise ValueError(f"storage {storage.key} has {count} elements, not {storage.elements}")
    content = file.read(count * storage.dtype.itemsize)
    return np.frombuffer(content, storage.dtype, count)


def _array(tensor: _Tensor, buffer: NDArray[Any]) -> NDArray[Any]:
    """Copies a strided view; strides that reach outside the storage are refused."""
    spans = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in spans)
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or last >= buffer.size:
        raise ValueError(f"a tensor of shape {tensor.shape} reaches outside its storage")
    item = buffer.itemsize
    view = np.lib.stride_tricks.as_strided(
        buffer[tensor.offset :], tensor.shape, [stride * item for stride in tensor.strides]
    )
    return np.ascontiguousarray(view).reshape(tensor.shape)


def _unpickled(file: BinaryIO) -> Any:
    return _TensorUnpickler(file).load()


class _TensorUnpickler(pickle.Unpickler):
    """Builds our plain records in place of torch's classes and knows no other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns the stand-in for one of the few names a state dict needs."""
        if (module, name) in _DTYPES:
            return _StorageType(_DTYPES[module, name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which no tensor needs")

    def persistent_load(self, pid: Any) -> _Storage:
        """Returns the record of the storage that the pickle points to."""
        kind, storage_type, key, _location, elements, view = pid
        if kind != "storage" or view is not None or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError("it holds something other than plain storages")
        return _Storage(str(key), storage_type.dtype, int(elements))


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_gradient_facts: Any
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("it holds a tensor without a storage")
    return _Tensor(
        storage, int(offset), tuple(int(size) for size in shape), tuple(int(s) for s in strides)
    )
