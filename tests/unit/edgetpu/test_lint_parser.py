"""What the TFLite inside the compiler does not know: it refuses the whole file, not a part."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.edgetpu.lint import LintReport, lint_file, lint_graphs
from edgescale.edgetpu.op_versions import INSTEAD, NEWEST_VERSION, ON_EDGE_TPU
from edgescale.edgetpu.schema import OPERATORS
from tests.planted_faults import DEPTHWISE, sound_model
from tests.small_graphs import graph, operator, tensor

MAP = (1, 8, 8, 16)
# TensorFlow 2.5.3 says "Op builtin_code out of range" from 140 on (measured).
LAST_KNOWN = "HASHTABLE_SIZE"


def linted(folder: Path, name: str, *, custom: str | None = None, version: int = 1) -> LintReport:
    """Judges the sound model with another operator in its middle, after three that map."""
    model = sound_model()
    model.replace(3, name, [DEPTHWISE], version=version)
    model.code(3).customCode = custom
    path = folder / "model.tflite"
    path.write_bytes(model.content)
    return lint_file(path)


@pytest.mark.parametrize(
    ("name", "custom", "version", "rule", "said"),
    [
        pytest.param("GELU", None, 1, "unknown-to-parser", "not in the TFLite", id="150"),
        pytest.param("DELEGATE", None, 1, "unknown-to-parser", "not in the TFLite", id="no kernel"),
        pytest.param("CUSTOM", "FlexErf", 1, "unknown-to-parser", "of TensorFlow, not", id="Flex"),
        pytest.param("CUSTOM", "MyOwn", 1, "unknown-to-parser", "a custom operator", id="own"),
        pytest.param("CUSTOM", None, 1, "unknown-to-parser", "a custom operator", id="nameless"),
        pytest.param("LEAKY_RELU", None, 3, "operator-version", "parses up to 2", id="not listed"),
        pytest.param("DIV", None, 3, "operator-version", "parses up to 2", id="DIV 3"),
    ],
)
def test_what_the_parser_does_not_know_leaves_nothing_on_the_edge_tpu(
    name: str, custom: str | None, version: int, rule: str, said: str, tmp_path: Path
) -> None:
    report = linted(tmp_path, name, custom=custom, version=version)
    assert [finding.rule for finding in report.findings] == [rule]
    assert said in report.errors[0].what
    assert "refuses the whole file" in report.errors[0].what
    assert (report.ops_on_edgetpu, report.ops_on_cpu) == (0, 8)
    assert (report.first_cut or "").startswith("operator 3")


@pytest.mark.parametrize(
    ("name", "custom"),
    [
        pytest.param("LEAKY_RELU", None, id="a known version"),
        pytest.param("CUSTOM", "TFLite_Detection_PostProcess", id="a custom one it carries"),
    ],
)
def test_what_the_parser_knows_only_cuts_the_graph(
    name: str, custom: str | None, tmp_path: Path
) -> None:
    report = linted(tmp_path, name, custom=custom)
    assert [finding.rule for finding in report.findings] == ["unsupported-operator"]
    assert (report.ops_on_edgetpu, report.ops_on_cpu) == (3, 5)


def test_a_number_newer_than_our_own_schema_is_unknown() -> None:
    found = graph([tensor("in", MAP), tensor("out", MAP)], [operator("BUILTIN_250", [0], [1])])
    report = lint_graphs((found,))
    assert [finding.rule for finding in report.findings] == ["unknown-to-parser"]
    assert "not in the TFLite" in report.findings[0].what


def test_the_mend_of_an_unknown_operator_is_that_of_the_list(tmp_path: Path) -> None:
    assert linted(tmp_path, "GELU").errors[0].mend == INSTEAD["GELU"]


def test_the_versions_known_end_with_the_last_operator_of_tensorflow_2_5() -> None:
    numbers = {name: number for number, name in OPERATORS.items()}
    assert max(numbers[name] for name in NEWEST_VERSION) == numbers[LAST_KNOWN] == 139
    assert set(NEWEST_VERSION) > ON_EDGE_TPU


@pytest.mark.parametrize(
    ("reach", "version", "rules", "mapped"),
    [
        pytest.param(16, 3, [], 2, id="all"),
        pytest.param(8, 3, ["grouped-convolution"], 0, id="half"),
        pytest.param(8, 6, ["grouped-convolution"], 0, id="half, as TensorFlow writes it"),
    ],
)
def test_a_grouped_convolution_is_refused_whatever_its_version(
    reach: int, version: int, rules: list[str], mapped: int
) -> None:
    kernel = tensor("kernel", (16, 1, 1, reach), values=[1])
    convolution = replace(operator("CONV_2D", [0, 2], [1]), version=version)
    before = operator("RELU", [3], [0])  # maps by itself
    tensors = [tensor("between", MAP), tensor("out", MAP), kernel, tensor("in", MAP)]
    found = graph(tensors, [before, convolution], inputs=(3,))
    report = lint_graphs((found,))
    assert [finding.rule for finding in report.findings] == rules
    assert report.ops_on_edgetpu == mapped


@pytest.mark.parametrize(
    ("name", "shape", "dimension", "told"),
    [
        pytest.param("CONV_2D", (16, 1, 1, 16), 0, False, id="convolution"),
        pytest.param("CONV_2D", (16, 1, 1, 16), 3, True, id="convolution by its input"),
        pytest.param("DEPTHWISE_CONV_2D", (1, 3, 3, 16), 3, False, id="depthwise"),
        pytest.param("DEPTHWISE_CONV_2D", (1, 3, 3, 16), 0, True, id="depthwise by nothing"),
    ],
)
def test_scales_of_weights_go_along_the_channels_they_give(
    name: str, shape: tuple[int, ...], dimension: int, told: bool
) -> None:
    weights = tensor("weights", shape, values=[1], scales=[0.5] * 16)
    weights = replace(weights, quantised_dimension=dimension)
    found = graph([tensor("in", MAP), tensor("out", MAP), weights], [operator(name, [0, 2], [1])])
    report = lint_graphs((found,))
    assert [finding.rule for finding in report.findings] == (["bad-scale"] if told else [])
    assert not told or f"along dimension {dimension}" in report.findings[0].what


@pytest.mark.parametrize("name", ["CONV_2D", "RELU"])
def test_a_custom_operator_that_bears_a_builtin_name_is_none(name: str, tmp_path: Path) -> None:
    report = linted(tmp_path, "CUSTOM", custom=name)
    assert [finding.rule for finding in report.findings] == ["unknown-to-parser"]
