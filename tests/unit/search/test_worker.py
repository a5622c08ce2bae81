"""The worker in a process of its own: errors reach the engine as sentences."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.search.engine import Engine, TrialFailed
from edgescale.search.local import LOG_FILE, LocalEngine
from tests.search_study import small_search


def test_images_that_are_not_there_fail_the_trial_with_the_reason(tmp_path: Path) -> None:
    search = small_search()
    job = search.job(search.space.incumbent, 0, tmp_path)
    Path(job.folder).mkdir(parents=True)
    with closing(LocalEngine(1)) as local:
        engine: Engine = local
        with pytest.raises(TrialFailed, match="no such folder; it must hold a folder of images"):
            engine.run(replace(job, data_folder=str(tmp_path / "gone")), lambda epoch: True)
    assert (Path(job.folder) / LOG_FILE).read_text() == ""
