from pathlib import Path

import pytest

from edgescale.errors import DataError
from edgescale.inference.label_file import read_labels


def test_refuses_what_is_no_regular_file() -> None:
    with pytest.raises(DataError, match="no regular file"):
        read_labels(Path("/dev/null"))


def test_a_folder_or_nothing_is_said_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Is a directory"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        read_labels(tmp_path / "absent")
