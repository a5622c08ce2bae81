from pathlib import Path

import cv2  # noqa: TID253 - writes the images of these tests
import numpy as np
import pytest

from edgescale.errors import DataError
from edgescale.inference.image_file import read_image
from edgescale.inference.label_file import read_labels
from edgescale.inference.labelled import Vocabulary, labelled_images

LABELS = ("tench, Tinca tinca", "great white shark, white shark", "crane", "crane, bird")


def image(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((6, 5, 3), value, np.uint8))
    return path


def table(folder: Path, text: str) -> Path:
    image(folder / "a.png")
    (folder / "labels.csv").write_text(text)
    return folder


def test_folders_are_found_by_first_synonym_without_case_and_punctuation(tmp_path: Path) -> None:
    image(tmp_path / "Great_White_Shark" / "b.png")
    image(tmp_path / "tench" / "a.png")
    image(tmp_path / "tench" / ".hidden.png")
    found = labelled_images(tmp_path, LABELS)
    assert [(item.path.name, item.class_index) for item in found] == [("b.png", 1), ("a.png", 0)]


def test_an_ambiguous_or_unknown_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"'crane' may be any of the classes \[2, 3\]"):
        Vocabulary((*LABELS[:2], "crane, machine", "crane, bird")).index("crane", "here")
    assert Vocabulary(LABELS).index("crane", "here") == 2  # the exact text wins
    with pytest.raises(DataError, match="none of the 4 labels, did you mean"):
        Vocabulary(LABELS).index("crame", "here")


def test_an_empty_class_folder_and_an_empty_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images; fill it"):
        labelled_images(tmp_path, LABELS)
    (tmp_path / "tench").mkdir()
    with pytest.raises(DataError, match="no images of this class"):
        labelled_images(tmp_path, LABELS)
    with pytest.raises(DataError, match="no such folder"):
        labelled_images(tmp_path / "absent", LABELS)


def test_reads_a_table_by_index_or_label(tmp_path: Path) -> None:
    folder = table(tmp_path, "file,class_index,label\na.png,1,great_white_shark\na.png,,tench\n")
    assert [item.class_index for item in labelled_images(folder, LABELS)] == [1, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("name,label\na.png,tench\n", "needs the column 'file'", id="no file column"),
        pytest.param("file,kind\na.png,x\n", "'class_index' or 'label'", id="no class column"),
        pytest.param("file,class_index\na.png,4\n", "from 0 to 3", id="index too large"),
        pytest.param("file,class_index\na.png,-1\n", "from 0 to 3", id="index negative"),
        pytest.param("file,class_index\na.png,x\n", "line 2", id="index no number"),
        pytest.param("file,class_index\nb.png,0\n", "no such file 'b.png'", id="no such file"),
        pytest.param("file,label\na.png,\n", "neither class_index nor label", id="nothing"),
        pytest.param(
            "file,class_index,label\na.png,0,great white shark\n",
            "class_index 0 is 'tench, Tinca tinca', but the label says",
            id="labels of another table",
        ),
        pytest.param("file,label\n", "no images", id="no rows"),
        pytest.param("\0\0\0", "labels.csv", id="junk"),
    ],
)
def test_refuses_tables_that_cannot_be_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        labelled_images(table(tmp_path, text), LABELS)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.full((4, 3), 100, np.uint8), id="grey"),
        pytest.param(np.full((4, 3, 4), 100, np.uint8), id="alpha"),
        pytest.param(np.full((4, 3, 3), 100 * 257, np.uint16), id="16 bits"),
    ],
)
def test_reads_every_kind_of_picture_as_rgb_bytes(
    tmp_path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), pixels)
    picture = read_image(path)
    assert picture.shape == (4, 3, 3)
    assert picture.dtype == np.uint8
    assert np.all(picture == 100)


def test_the_channels_come_as_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 2, 3), (255, 0, 0), np.uint8))  # blue
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("content", [b"", b"junk" * 50, b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.png"):
        read_image(tmp_path / "bad.png")
    with pytest.raises(DataError, match=r"absent\.png: cannot be read"):
        read_image(tmp_path / "absent.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param("cat\ndog house\n", ("cat", "dog house"), id="one a line"),
        pytest.param("0 cat\n1  dog house\n", ("cat", "dog house"), id="id label"),
        pytest.param("1:dog\n0: cat\n", ("cat", "dog"), id="id:label in any order"),
        pytest.param("1 cat\n2 dog\n", ("cat", "dog"), id="from one"),
        pytest.param("0\n1\n", ("0", "1"), id="digits are labels"),
        pytest.param("\ufeffcat\r\ndog\r\n\r\n", ("cat", "dog"), id="from Windows"),
    ],
)
def test_reads_the_usual_label_files(tmp_path: Path, text: str, labels: tuple[str, ...]) -> None:
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert read_labels(tmp_path / "labels.txt") == labels


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "0 labels", id="empty"),
        pytest.param(b"cat\n\ndog\n", "line 2 is empty", id="a gap"),
        pytest.param(b"0 cat\n2 dog\n", "leave gaps", id="an id missing"),
        pytest.param(b"5 cat\n6 dog\n", "count up from 0 or 1", id="from five"),
        pytest.param(b"\xff\xfe\x00\x01", "UTF-8", id="no text"),
    ],
)
def test_refuses_other_label_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_labels(tmp_path / "labels.txt")


def test_a_folder_the_system_refuses_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="File name too long"):
        labelled_images(tmp_path / ("n" * 300), LABELS)


def test_a_folder_that_may_not_be_listed_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(DataError, match="Permission denied"):
        labelled_images(tmp_path, LABELS)
