"""``edgescale plan`` as a user types it."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.architecture.baseline import find_baseline
from edgescale.builder.coefficients_file import StoredCoefficients, write_coefficients
from edgescale.cli.plan import command
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import scale
from tests.run_plan import plan


def test_a_ladder_of_phis_keeps_their_order_and_fields() -> None:
    variants = plan("--phi=-2,-1,0,0.5,1,2")["variants"]
    assert [variant["phi"] for variant in variants] == [-2, -1, 0, 0.5, 1, 2]
    assert {"depth_coefficient", "width_coefficient", "resolution", "parameters", "macs",
            "weight_bytes", "peak_activation_bytes"} <= set(variants[0])  # fmt: skip
    assert [v["macs"] for v in variants] == sorted(v["macs"] for v in variants)


def test_equation_4_needs_no_coefficients() -> None:
    variant = plan("--equation", "linear", "--phi=0,1")["variants"][1]
    assert (variant["depth_coefficient"], variant["width_coefficient"]) == (1.2, 1.1)
    assert plan("--phi=1")["variants"] == plan("--phi=1", "--gamma=1.15")["variants"]


def test_a_huge_phi_is_refused_soon() -> None:
    start = time.process_time()
    with pytest.raises(ArchitectureError, match="phi 20 is too large for 'efficientnet-edgetpu'"):
        CliRunner().invoke(command, ["--alpha=2", "--phi=20"], catch_exceptions=False)
    assert time.process_time() - start < 2.0


def test_published_names_have_no_phi() -> None:
    variants = plan("--variants", "s,m,l")["variants"]
    assert [(v["phi"], v["parameters"]) for v in variants] == [
        (None, 5438392), (None, 6899496), (None, 10589712),
    ]  # fmt: skip


def test_fewer_classes_cost_fewer_parameters() -> None:
    thousand, ten = (plan("--phi=0", "--classes", n)["variants"][0] for n in ("1000", "10"))
    assert thousand["parameters"] - ten["parameters"] == 990 * 1281


def test_the_table_is_aligned() -> None:
    lines = CliRunner().invoke(command, ["--phi=0,1"]).output.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("phi0 ")
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[3] == "1 MAC = 2 operations"


@pytest.mark.parametrize(
    "phis", ["--phi=one,2", "--phi=nan", "--phi=inf", "--phi=-9", "--times=0", "--times=nan"]
)
def test_phis_that_are_none_are_refused(phis: str) -> None:
    with pytest.raises(ArchitectureError):
        CliRunner().invoke(command, [phis], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--phi=,"], "name nothing", id="an empty list"),
        pytest.param(["--phi=1", "--times=2"], "both name phis", id="phi and times"),
        pytest.param(["--max-bytes=4M"], "'4M' is not a size like", id="neither MB nor MiB"),
        pytest.param(["--max-macs=nan"], "'nan' is not a count", id="no number"),
        pytest.param(["--max-params=0"], "above zero", id="a budget of nothing"),
        pytest.param(["--variants=s", "--fix-stem-head"], "as published", id="published, changed"),
        pytest.param(["--coefficients=c.json", "--alpha=1.2"], "the file or them", id="both"),
        pytest.param(["--phi=0,1", "--architecture=a.json"], "2 are planned", id="two networks"),
        pytest.param(["--phi=1,1.0"], "--phi names 1.0 twice", id="one phi twice"),
        pytest.param(["--times=2,2"], "--times names 2.0 twice", id="one N twice"),
        pytest.param(["--variants=s,s"], "--variants names s twice", id="one name twice"),
        pytest.param(["--variants=s", "--alpha=1.2"], "leave --alpha out", id="nothing to scale"),
        pytest.param(["--variants=s", "--no-trim"], "--trim/--no-trim out", id="no trim"),
        pytest.param(["--variants=s", "--resolution-step=8"], "-step out", id="no step"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--alpha=0.9"], "Equation 3 (power) needs 1 <= alpha <= 2"),
        (["--equation=linear", "--alpha=1.2"], "Equation 4 (linear) needs 0 <= alpha < 1"),
        (["--beta=nan"], "beta is nan"),
        (["--max-bytes=1kB"], "the smallest there is: phi -3.79 with 1.92 MB of int8 weights"),
        (["--baseline=resnet"], "there are efficientnet-b, efficientnet-edgetpu"),
        (["--baseline=."], "the name of a baseline's file must end in .toml"),
        (["--times=4", "--equation=linear"], "ask for the MACs instead, with --max-macs (max_macs"),
    ],
)
def test_what_makes_no_network_is_refused_in_one_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_n_times_larger_is_a_phi() -> None:
    assert [v["phi"] for v in plan("--times=4,32,0.5")["variants"]] == [2, 5, -1]


def test_the_family_with_squeeze_and_excite_is_counted() -> None:
    record = plan("--baseline=efficientnet-b", "--variants=b0,b7")
    assert [v["parameters"] for v in record["variants"]] == [5_288_548, 66_347_960]
    assert [v["total_parameters"] for v in record["variants"]] == [5_330_564, 66_658_680]


def test_stem_and_head_can_stay_as_they_are() -> None:
    free, fixed = (plan("--phi=2", *more)["variants"][0] for more in ([], ["--fix-stem-head"]))
    assert fixed["parameters"] < free["parameters"]


def test_a_network_whose_stem_and_head_stay_keeps_them() -> None:
    free = plan("--baseline=efficientnet-lite", "--phi=2")
    assert free == plan("--baseline=efficientnet-lite", "--phi=2", "--fix-stem-head")
    assert free["fix_stem_head"] is True
    lite = scale(find_baseline("efficientnet-lite"), 2)
    assert free["variants"][0]["digest"] == lite.architecture.digest


def test_a_phi_beside_published_names_takes_the_flags_of_scaling() -> None:
    first, second = plan("--phi=1", "--variants=s", "--alpha=1.3")["variants"]
    assert first["depth_coefficient"] == 1.3
    assert (second["name"], second["dropout"]) == ("s", 0.2)


def test_the_record_says_how_it_was_scaled() -> None:
    record = plan("--phi=1", "--beta=1.2", "--no-trim", "--resolution-step=4")
    scaling = {"equation": "power", "alpha": 1.2, "beta": 1.2, "gamma": 1.15, "trim": False,
               "rounding": "nearest", "resolution_step": 4, "fix_stem_head": False}  # fmt: skip
    assert {key: record[key] for key in scaling} == scaling
    (variant,) = record["variants"]
    assert variant["weight_bytes"] < variant["file_bytes"] < 1.2 * variant["weight_bytes"]
    assert plan("--baseline=efficientnet-b", "--phi=0")["variants"][0]["file_bytes"] is None


def test_coefficients_come_from_a_file(tmp_path: Path) -> None:
    stored = StoredCoefficients(Coefficients(1.3, 1.1, 1.1), {})
    write_coefficients(tmp_path / "coefficients.json", stored)
    named = plan("--phi=1", f"--coefficients={tmp_path / 'coefficients.json'}")
    assert named == plan("--phi=1", "--alpha=1.3", "--beta=1.1", "--gamma=1.1")


def test_a_baseline_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        "stem_filters = 8\nhead_filters = 32\nresolution = 32\ndepth_divisor = 4\n"
        'blocks = ["r1_k3_s11_e4_i8_o8_c1", "r2_k3_s22_e4_i8_o16"]\n',
        encoding="utf-8",
    )
    record = plan(f"--baseline={path}", "--phi=0", "--classes=10")
    assert record["baseline"] == "own"
    assert record["variants"][0]["resolution"] == 32


def test_fifty_phis_take_less_than_a_second_of_cpu() -> None:
    start = time.process_time()
    plan("--phi=" + ",".join(str(step / 10) for step in range(-20, 30)))
    assert time.process_time() - start < 1.0
