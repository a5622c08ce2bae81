"""``edgescale plan`` with a budget, and the network it writes."""

import json
import os
from pathlib import Path

from click.testing import CliRunner

from edgescale.architecture.record import architecture_from_dict
from edgescale.cli.plan import command
from edgescale.errors import EdgescaleError
from tests.run_plan import plan, said


def test_a_budget_gives_one_variant_and_says_what_comes_next() -> None:
    lines = said("--max-bytes=6.6MB").splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["variant", "phi0.646"]
    assert lines[-1] == (
        "phi 0.646 uses 94.5 % of 6.6 MB of int8 weights; the next plateau, phi 0.647, needs"
        " 6.83 MB of int8 weights"
    )


def test_the_record_holds_the_solution_in_bytes() -> None:
    record = plan("--max-bytes=6600000")
    (variant,) = record["variants"]
    solution = record["solution"]
    assert (variant["phi"], solution["phi"]) == (0.646, 0.646)
    assert solution["limits"] == {"weight_bytes": 6_600_000}
    assert solution["needs"] == {"weight_bytes": variant["weight_bytes"]}
    assert solution["used"]["weight_bytes"] == variant["weight_bytes"] / 6_600_000
    assert solution["next"] == {"phi": 0.647, "needs": {"weight_bytes": 6_832_192}}


def test_without_a_budget_there_is_no_solution() -> None:
    record = plan("--phi=0")
    assert record["solution"] is None
    assert record["operations_per_mac"] == 2


def test_a_solved_variant_joins_those_that_are_named() -> None:
    record = plan("--phi=0", "--variants=s", "--max-macs=1G", "--max-params=5M")
    assert [variant["name"] for variant in record["variants"]][:2] == ["phi0", "s"]
    assert record["variants"][2]["macs"] <= 10**9
    assert set(record["solution"]["used"]) == {"macs", "parameters"}


def test_mb_and_mib_are_not_the_same() -> None:
    small, large = (plan(f"--max-bytes={size}")["solution"]["phi"] for size in ("4MB", "4MiB"))
    assert small < large


def test_a_budget_for_the_file_is_tighter_than_for_its_weights() -> None:
    assert (
        plan("--max-file-bytes=6MB")["solution"]["phi"]
        < (plan("--max-bytes=6MB")["solution"]["phi"])
    )


def test_beyond_the_largest_network_that_is_said() -> None:
    ones = ("--alpha=1", "--beta=1", "--gamma=1")
    assert said("--max-macs=900G", *ones).endswith("of 900 G MACs; phi ends at 20\n")
    text = said("--max-bytes=900GB")
    assert text.endswith("larger networks are beyond what can be trained\n")
    assert plan("--max-macs=900G", *ones)["solution"]["next"] is None


def test_the_planned_network_is_written_as_data(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    said("--max-bytes=4MB", f"--architecture={path}")
    record = json.loads(path.read_text(encoding="utf-8"))
    network = architecture_from_dict(record)
    assert record["layers"][0]["operation"] == "conv"
    assert record["layers"][0]["inputs"] == ["input"]
    assert sum(layer.weight_bytes for layer in network.layers) <= 4_000_000
    assert record == {
        "schema_version": 1, "digest": network.digest, **json.loads(json.dumps(network.to_dict()))
    }  # fmt: skip


def test_the_planned_network_goes_into_a_folder_that_is_there_and_destroys_nothing(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, complaint in (("none/a.json", "there is no folder"), ("pipe", "no regular file")):
        result = CliRunner().invoke(command, ["--phi=0", f"--architecture={tmp_path / name}"])
        assert isinstance(result.exception, EdgescaleError)
        assert complaint in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_budget_reads_as_used_up_only_when_it_is() -> None:
    exactly = plan("--phi=0.647")["variants"][0]["weight_bytes"]
    assert " uses 100.0 % of 6.83 MB of" in said(f"--max-bytes={exactly}")
    assert said(f"--max-bytes={exactly - 1}").endswith(
        f"% of {exactly - 1:,} B of int8 weights; the next plateau, phi 0.647, needs {exactly:,} B"
        " of int8 weights\n"
    )
    smallest = plan("--phi=-3.79")["variants"][0]["weight_bytes"]
    result = CliRunner().invoke(command, [f"--max-bytes={smallest - 1}"])
    assert f"keeps to {smallest - 1:,} B of int8 weights" in str(result.exception)
    assert f"with {smallest:,} B of int8 weights" in str(result.exception)
