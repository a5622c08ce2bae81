import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.outputs import Outputs, Sink
from edgescale.stream.sinks.snapshots import SnapshotSink
from tests.fakes import picture
from tests.live_fakes import until
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


def test_written_is_the_number_of_pictures(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path)
    outputs = Outputs([sink], wait=True)
    for index in range(30):
        outputs.give(frame_result(index))
        if index in (3, 9):
            outputs.tell(entered(), frame_result(index))
            outputs.tell(left(), frame_result(index))
    outputs.close()
    (status,) = outputs.statuses()
    assert (status.written, status.dropped) == (2, 0)
    assert len(list(tmp_path.iterdir())) == 2


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


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Refuses to write as long as there is something in the list that it returns."""
    fillers, write = [Path("filler")], Path.write_bytes

    def written(path: Path, content: bytes) -> int:
        if not any(one.exists() or one.name == "filler" for one in fillers):
            return write(path, content)
        write(path, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", written)
    return fillers


def test_a_full_disk_is_one_sentence_and_leaves_no_half_picture(
    tmp_path: Path, full_disk: list[Path]
) -> None:
    sink = SnapshotSink(tmp_path)
    outputs = Outputs([sink], wait=True)
    outputs.tell(entered(), frame_result())
    outputs.close()
    (failure,) = outputs.failures
    assert "cannot be written (No space left on device); make room" in str(failure)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_a_live_run_no_later_picture(
    tmp_path: Path, full_disk: list[Path]
) -> None:
    sink = SnapshotSink(tmp_path)
    outputs = Outputs([sink])
    outputs.tell(entered("cat"), frame_result())
    until(lambda: sink.lost == 1)
    assert "No space left on device" in outputs.statuses()[0].error
    full_disk.clear()
    outputs.tell(entered("dog"), frame_result())
    outputs.close()
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("dog.jpg")
    (status,) = outputs.statuses()
    assert (status.written, status.dropped) == (1, 1)
    (failure,) = outputs.failures
    assert "1 snapshot could not be written" in str(failure)


def test_on_a_full_disk_the_oldest_of_its_own_give_way(
    tmp_path: Path, full_disk: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk.clear()
    sink = SnapshotSink(tmp_path, clock=(clock := Clock()))
    sink.event(entered("old"), frame_result())
    full_disk += tmp_path.iterdir()
    full_disk[0].rename(old := full_disk[0].with_name("keep"))
    clock.now_s += 1
    sink.event(entered("newer"), frame_result())
    old.rename(full_disk[0])
    clock.now_s += 1
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=0 if full_disk[0].exists() else 2**30)
    )
    sink.event(entered("new"), frame_result())
    sink.close()  # nothing was lost
    kept = sorted(path.name.rsplit("_")[-1] for path in tmp_path.iterdir())
    assert kept == ["new.jpg", "newer.jpg"]


def test_a_place_that_is_no_folder_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkFailed, match="no folder can be made there"):
        SnapshotSink(tmp_path / "file")
