"""The README's recipe and configuration name every key there is, and can be read."""

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from edgescale.architecture.block import format_block
from edgescale.builder.baseline_file import baseline_from_table
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.errors import RecipeError
from edgescale.family.fields import Fields
from edgescale.stream.config.config import read_config

if sys.version_info >= (3, 11):
    import tomllib as toml
else:
    import tomli as toml

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_recipe_can_be_read_and_shows_the_defaults() -> None:
    text, _ = blocks("toml")
    shown = recipe_from_table(toml.loads(text), Path("recipe.toml")).resolved()
    needed = """
        name = "screws"
        baseline.name = "efficientnet-edgetpu"
        variants.phis = [-2, -1, 0]
        data.folder = "photos"
        training.epochs = 30
    """
    defaults = recipe_from_table(toml.loads(needed), Path("recipe.toml")).resolved()
    assert shown == defaults


def test_the_stages_can_be_read() -> None:
    (text,) = re.findall(r"\n\n((?:    .*\n|\n)*    \[\[stages\]\]\n(?:    .*\n|\n)*)", README)
    frame = "stem_filters = 8\nhead_filters = 16\nresolution = 32\n"
    table = toml.loads(frame + textwrap.dedent(text))
    baseline = baseline_from_table(Fields(table, "net.toml", RecipeError))
    assert [format_block(block) for block in baseline.blocks] == [
        "r1_k3_s11_e4_i8_o16_c1",
        "r2_k3_s22_e4_i16_o24",
    ]


def test_every_key_of_a_recipe_is_in_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    take = Fields.take

    def recording(self: Fields, key: str, *default: Any) -> Any:
        asked.add(key)
        return take(self, key, *default)

    monkeypatch.setattr(Fields, "take", recording)
    text, _ = blocks("toml")
    recipe_from_table(toml.loads(text), Path("recipe.toml"))
    spelled_out = text.replace('name = "efficientnet-edgetpu"', "").replace("\n# ", "\n")
    recipe_from_table(toml.loads(spelled_out), Path("recipe.toml"))
    assert len(asked) > 40
    assert not {key for key in asked if not re.search(rf"\b{key}\b", README)}


def test_every_key_of_a_configuration_is_in_the_readme(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: set[str] = set()
    take = Fields.take

    def recording(self: Fields, key: str, *default: Any) -> Any:
        asked.add(key)
        return take(self, key, *default)

    monkeypatch.setattr(Fields, "take", recording)
    _, text = blocks("toml")
    for secret in ("camera", "mqtt", "token"):
        (tmp_path / secret).write_text("a secret of many letters")
    monkeypatch.setenv("HOOK_TOKEN", "another one")
    config = tmp_path / "door.toml"
    config.write_text(text)
    assert read_config(config).sources[0].name == "door"
    assert len(asked) > 40
    assert not {key for key in asked if not re.search(rf"\b{key}\b", text)}
