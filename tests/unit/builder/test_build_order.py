"""What a build hands to its pool, and what it says before."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder import build as module
from edgescale.builder.build import build_family
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import PlannedVariant
from edgescale.errors import BuildError

pytestmark = pytest.mark.skipif(
    find_spec("mlxtend") is None, reason="the package mlxtend is not installed (extra 'demo')"
)


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the variants as the pool got them; it builds none and fails."""
    names: list[str] = []

    class Noting:
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            pass

        def run(self, waiting: Sequence[PlannedVariant], jobs: int) -> dict[str, str]:
            names.extend(planned.name for planned in waiting)
            return {"phi0": "stopped by the test"}

    monkeypatch.setattr(module, "Pool", Noting)
    monkeypatch.setattr(module, "require_tensorflow", lambda: None)
    return names


def test_the_largest_variant_is_built_first(tmp_path: Path, order: list[str]) -> None:
    with pytest.raises(BuildError, match="stopped by the test"):
        build_family("cluttered-digits", tmp_path / "family")
    assert order == ["phi1", "phi0", "phi-1"]


def test_nearly_equal_networks_are_told_by_the_build(
    tmp_path: Path, order: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    text = shipped_recipes()["cluttered-digits"].read_text("utf-8")
    near = text.replace("phis = [-1, 0, 1]", "phis = [0, 0.4, 3]").replace(
        "resolution_step = 8", "alpha = 1.0\ngamma = 1.0\nresolution_trim = false"
    )
    (tmp_path / "recipe.toml").write_text(near)
    with caplog.at_level(logging.WARNING), pytest.raises(BuildError):
        build_family(tmp_path / "recipe.toml", tmp_path / "family")
    assert "phi0 and phi0.4 are nearly one network" in caplog.text
    assert len(order) == 3
