import math

import pytest

from edgescale.selection.budget import Budget


@pytest.mark.parametrize("name", ["latency_ms", "min_fps", "memory_bytes"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_refuses_limits_that_mean_nothing(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Budget.{name} must be a positive number"):
        Budget(**{name: value})  # type: ignore[arg-type]


def test_no_limit_at_all_is_a_budget() -> None:
    assert Budget() == Budget(latency_ms=None, min_fps=None, memory_bytes=None)
