"""Shipped recipes and device files: inside the package in a wheel, beside it in a checkout."""

from pathlib import Path

import pytest

from edgescale.errors import FamilyError
from edgescale.family import shipped as module
from edgescale.family.shipped import shipped


def test_a_checkout_has_them_beside_the_package() -> None:
    assert (shipped("models") / "cluttered-digits" / "recipe.toml").is_file()
    assert (shipped("devices") / "coral-dev-board.json").is_file()


def test_a_wheel_has_them_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "edgescale"
    (package / "_shipped" / "models").mkdir(parents=True)
    (tmp_path / "models").mkdir()  # another project's, in site-packages
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert shipped("models") == package / "_shipped" / "models"


def test_an_incomplete_installation_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "edgescale")
    with pytest.raises(FamilyError, match="install edgescale again"):
        shipped("devices")
