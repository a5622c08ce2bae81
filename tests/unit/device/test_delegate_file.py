import hashlib
from pathlib import Path

import pytest

from edgescale.device import delegate_file
from edgescale.device.delegate_file import library_sha256
from edgescale.device.libedgetpu import LibraryReport
from edgescale.inference.worker import WorkerSettings


def report(path: str | None) -> LibraryReport:
    return LibraryReport("x", path is not None, None, None, (), None, "", path=path)


def test_is_the_sha256_of_the_file_that_was_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libedgetpu.so.1"
    library.write_bytes(b"library")
    asked: list[str | None] = []

    def asking(name: str | None) -> LibraryReport:
        asked.append(name)
        return report(str(library))

    monkeypatch.setattr(delegate_file, "library_report", asking)
    settings = WorkerSettings(device="usb", edgetpu_library="libedgetpu.so.1")
    assert library_sha256(settings) == hashlib.sha256(b"library").hexdigest()
    assert asked == ["libedgetpu.so.1"]


@pytest.mark.parametrize("path", [None, "/no/such/file"])
def test_a_library_that_is_not_there_has_none(
    monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    monkeypatch.setattr(delegate_file, "library_report", lambda name: report(path))
    assert library_sha256(WorkerSettings(device="usb")) is None


def test_on_the_cpu_no_library_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(delegate_file, "library_report")
    assert library_sha256(WorkerSettings(device="cpu")) is None
