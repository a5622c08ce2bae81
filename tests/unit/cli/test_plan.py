"""``edgescale plan`` as a user types it."""

import json
import time
from typing import Any

import pytest
from click.testing import CliRunner

from edgescale.cli.plan import command
from edgescale.errors import ArchitectureError


def plan(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.output)
    return record


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
    assert len(lines) == 3
    assert lines[1].startswith("phi0 ")
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("phis", ["--phi=one,2", "--phi=nan", "--phi=-9"])
def test_phis_that_are_none_are_refused(phis: str) -> None:
    with pytest.raises(ArchitectureError):
        CliRunner().invoke(command, [phis], catch_exceptions=False)


def test_an_empty_list_is_a_usage_error() -> None:
    assert CliRunner().invoke(command, ["--phi=,"]).exit_code == 2


def test_fifty_phis_take_less_than_a_second_of_cpu() -> None:
    start = time.process_time()
    plan("--phi=" + ",".join(str(step / 10) for step in range(-20, 30)))
    assert time.process_time() - start < 1.0
