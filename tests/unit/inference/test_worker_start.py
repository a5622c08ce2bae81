import os
from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, ModelFileError
from edgescale.inference.worker import Worker, WorkerSettings
from tests.tiny_models import tiny_family


def test_a_name_that_is_not_utf8_is_refused_before_a_runtime_sees_it(tmp_path: Path) -> None:
    family = tiny_family(Path(os.fsdecode(os.fsencode(tmp_path) + b"/fam\xff")))
    with pytest.raises(ModelFileError, match=r"not UTF-8.*rename"):
        Worker(family, family.manifest.variants[0])


@pytest.mark.parametrize("settings", [{"threads": 0}, {"threads": 1.5}, {"top_k": 0}])
def test_counts_below_one_are_the_callers_mistake(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        WorkerSettings(**settings)  # type: ignore[arg-type]


def test_a_changed_model_file_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    variant = family.manifest.variants[0]
    content = bytearray(family.path(variant.model).read_bytes())
    content[-1] ^= 1
    family.path(variant.model).write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256"):
        Worker(family, variant)
