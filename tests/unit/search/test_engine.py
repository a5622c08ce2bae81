"""The seam between study and engines."""

import pytest

from edgescale.errors import SearchError
from edgescale.search.engine import Engine, EngineClosed, TrialFailed, TrialStopped
from edgescale.search.local import LocalEngine
from tests.search_study import PaperEngine


@pytest.mark.parametrize("error", [TrialFailed, TrialStopped, EngineClosed])
def test_what_ends_a_trial_is_a_known_error(error: type[SearchError]) -> None:
    assert issubclass(error, SearchError)
    assert error.exit_code == 1


def test_an_engine_can_be_closed_twice() -> None:
    engines: list[Engine] = [LocalEngine(3), PaperEngine(slots=3)]
    for engine in engines:
        engine.close()
        engine.close()
        assert engine.slots == 3
