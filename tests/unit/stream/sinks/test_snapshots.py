from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.outputs import Sink
from edgescale.stream.sinks.snapshots import SnapshotSink
from tests.fakes import picture
from tests.results import entered, frame_result, left


class Clock:
    now_s = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now_s


def test_an_arrival_leaves_its_picture_under_time_source_and_label(tmp_path: Path) -> None:
    sink: Sink = SnapshotSink(tmp_path / "new", clock=Clock())
    result = frame_result(image=picture(180, height=40, width=60))
    sink.result(result)
    sink.event(left(), result)
    sink.event(entered("water/../bottle\n"), None)
    assert list((tmp_path / "new").iterdir()) == []
    sink.event(entered("water/../bottle\n"), result)
    sink.event(entered("water/../bottle\n"), result)
    sink.tick()
    sink.close()
    first, second = sorted((tmp_path / "new").iterdir())
    assert second.name == "edgescale_20260101T000000.000Z_front_water____bottle.jpg"
    assert first.name == "edgescale_20260101T000000.000Z_front_water____bottle-2.jpg"
    import cv2

    image = cv2.imread(str(first))
    assert image is not None
    assert image.shape == (40, 60, 3)
    assert image.mean() == pytest.approx(180, abs=2)


def test_the_oldest_go_first(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "edgescale_20250101T000000.000Z_cut-off.part").write_bytes(bytes(100))
    (tmp_path / "mine.jpg").write_bytes(bytes(100_000))
    sink = SnapshotSink(tmp_path, max_bytes=2_000, max_age_s=3600, clock=clock)
    for index in range(20):
        clock.now_s += 1
        sink.event(entered(f"label{index}"), frame_result())
    kept = sorted(path.name for path in tmp_path.glob("edgescale_*"))
    assert sum((tmp_path / name).stat().st_size for name in kept) <= 2_000
    assert kept[-1].endswith("label19.jpg")
    assert all(name.endswith(".jpg") for name in kept)
    assert 1 < len(kept) < 20
    clock.now_s += 3601
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]


def test_a_full_disk_is_one_sentence_and_leaves_no_half_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SnapshotSink(tmp_path)

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SinkFailed, match="cannot be written \\(No space left on device\\)"):
        sink.event(entered(), frame_result())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkFailed, match="no folder can be made there"):
        SnapshotSink(tmp_path / "file")
