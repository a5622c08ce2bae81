"""``edgescale plan`` for devices: what is predicted, what is published, and phi for a latency."""

import re
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgescale.architecture.baseline import find_baseline
from edgescale.cli.plan import command
from edgescale.edgetpu.latency import calibration_of, predict
from edgescale.errors import ArchitectureError, DeviceError
from edgescale.scaling.variant import published, scale
from tests.run_plan import plan, said

EDGETPU = find_baseline("efficientnet-edgetpu")


def test_each_variant_gets_a_line_per_device_marked_predicted() -> None:
    lines = said("--variants=s,l", "--device=usb3,dev-board", "--device", "usb3-pi4").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("predicted"))
    assert lines[start].split() == ["predicted", "device", "latency", "90", "%", "interval", "on",
                                    "chip", "share", "streamed", "published"]  # fmt: skip
    rows = [line.split() for line in lines[start + 1 : start + 7]]
    assert [row[:2] for row in rows] == [
        [variant, device] for variant in "sl" for device in ("usb3", "dev-board", "usb3-pi4")
    ]
    assert [row[-2:] for row in rows[:4]] == [["5.1", "ms"], ["5.5", "ms"], ["MiB", "-"],
                                              ["21.3", "ms"]]  # fmt: skip


@pytest.mark.parametrize(
    ("device", "parts"),
    [
        pytest.param("usb3", ["its interval held 10 of the 10 rows left out"], id="all inside"),
        pytest.param("dev-board", ["its interval held 5 of the 6 rows left out"], id="one outside"),
        pytest.param("usb3-pi4", ["; predicted from 2 ", ", too few to say what the interval holds",
                                  "(overhead from two networks"], id="too few"),
        pytest.param("m2", [", the interval widened for another host (calibrated on the Coral Dev"],
                     id="another host"),
    ],
)  # fmt: skip
def test_each_device_says_what_its_predictions_rest_on(device: str, parts: list[str]) -> None:
    (line,) = (
        line
        for line in said("--phi=0", f"--device={device}").splitlines()
        if line.startswith(f"{device}: ")
    )
    assert all(part in line for part in parts)
    assert ("rows left out" in line) == (device in ("usb3", "dev-board"))


def test_a_network_beyond_those_behind_the_prediction_is_named_once() -> None:
    text = said("--phi=0,9", "--device=usb3,dev-board")
    (line,) = (line for line in text.splitlines() if line.startswith("phi9: "))
    assert line.startswith("phi9: it sends ")
    assert "phi0: " not in text
    (row,) = (line for line in text.splitlines() if line.startswith("phi9") and "dev-board" in line)
    assert re.search(r" \d,\d{3}\.\d to \d,\d{3}\.\d ms ", row)


def test_the_record_holds_prediction_interval_bytes_and_what_is_published() -> None:
    record = plan("--variants=s", "--device=usb3")
    (device,) = record["devices"]
    assert (device["id"], device["calibration"]["link"]) == ("coral-usb-accelerator", "usb3")
    (latency,) = record["variants"][0]["latencies"]
    expected = predict(published(EDGETPU, "s").architecture.layers, "usb3")
    predicted = latency["predicted"]
    assert predicted["latency_ms"] == expected.latency_ms
    assert predicted["low_ms"] < predicted["latency_ms"] < predicted["high_ms"]
    assert predicted["on_chip_bytes"] + predicted["streamed_bytes"] == expected.on_chip_bytes
    assert predicted["link"] == "usb3"
    assert predicted["host"] == calibration_of("usb3").host
    assert (latency["latency_ms"], latency["latency_kind"]) == (5.1, "published")
    assert latency["known"]["source"].startswith("coral.ai/docs/edgetpu/benchmarks")
    assert "layers" not in predicted


def test_without_a_device_nothing_is_predicted() -> None:
    record = plan("--phi=0")
    assert (record["devices"], record["variants"][0]["latencies"]) == ([], [])
    assert "predicted" not in said("--phi=0")


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        pytest.param(("--phi=0",), True, id="phi 0 is the same network"),
        pytest.param(("--variants=s", "--classes=1001"), True, id="with a background class"),
        pytest.param(("--variants=s", "--classes=10"), False, id="other classes"),
        pytest.param(("--phi=0.5",), False, id="another network"),
        pytest.param(("--baseline=efficientnet-lite", "--phi=0"), False, id="another baseline"),
    ],
)
def test_what_is_published_counts_for_just_that_network(
    arguments: tuple[str, ...], known: bool
) -> None:
    (latency,) = plan(*arguments, "--device=dev-board")["variants"][0]["latencies"]
    assert (latency["known"] is not None) == known
    assert latency["latency_kind"] == ("published" if known else "predicted")


def test_constants_of_another_host_are_named_as_such() -> None:
    text = said("--phi=0", "--device=m2")
    assert "(calibrated on the Coral Dev Board, which has the same chip and link" in text
    assert " 5.5 ms" not in text  # published for the Dev Board, not for this


def test_layers_show_where_the_time_goes_and_add_up() -> None:
    record = plan("--phi=1.5", "--device=usb3", "--layers")
    predicted = record["variants"][0]["latencies"][0]["predicted"]
    layers = sum(layer["compute_ms"] + layer["stream_ms"] for layer in predicted["layers"])
    assert layers + predicted["fixed_ms"] == pytest.approx(predicted["latency_ms"])
    lines = said("--phi=1.5", "--device=usb3", "--layers").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("layer "))
    rows = lines[start + 1 : start + 2 + len(predicted["layers"])]
    assert sum(float(row.split()[-2]) for row in rows) == pytest.approx(100, abs=3)
    assert any(" streamed " in row for row in rows)
    assert rows[-1].startswith("link, input, output, instructions")


def test_phi_is_solved_for_a_latency_and_says_what_is_used_and_what_comes_next() -> None:
    record = plan("--device=usb3", "--max-latency-ms=10")
    solution, (variant,) = record["solution"], record["variants"]
    phi, after = solution["phi"], solution["next"]
    assert variant["phi"] == phi
    assert solution["limits"] == {"latency_ms": 10}
    needs = predict(scale(EDGETPU, phi).architecture.layers, "usb3").latency_ms
    assert solution["needs"] == {"latency_ms": needs}
    assert needs <= 10 < after["needs"]["latency_ms"]
    assert after["phi"] == pytest.approx(phi + 0.001)
    for further in range(1, 1000, 7):
        layers = scale(EDGETPU, phi + further / 1000).architecture.layers
        assert predict(layers, "usb3").latency_ms > 10
    lines = said("--device=usb3", "--max-latency-ms=10").splitlines()
    assert any(line.startswith(f"phi {phi:g} uses ") and " of 10 ms of latency; the next plateau,"
               in line for line in lines)  # fmt: skip


def test_a_smaller_phi_that_is_slower_is_named() -> None:
    broken = plan("--device=usb3", "--max-latency-ms=10")["solution"]["broken"]
    text = said("--device=usb3", "--max-latency-ms=10")
    assert broken
    for ends in broken:
        for phi in ends.values():
            layers = scale(EDGETPU, phi).architecture.layers
            assert predict(layers, "usb3").latency_ms > 10
        assert f"{ends['low_phi']:g} to {ends['high_phi']:g}" in text
    assert "smaller is not always faster: phi " in text


def test_a_published_latency_wins_for_the_limit_too() -> None:
    """S is predicted to be faster than the 5.5 ms published for the Dev Board."""
    predicted_ms = predict(published(EDGETPU, "s").architecture.layers, "dev-board").latency_ms
    between = f"--max-latency-ms={(predicted_ms + 5.5) / 2}"
    broken = plan("--device=dev-board", between)["solution"]["broken"]
    assert any(ends["low_phi"] <= 0 <= ends["high_phi"] for ends in broken)
    broken = plan("--device=dev-board", between, "--classes=10")["solution"]["broken"]
    assert not any(ends["low_phi"] <= 0 <= ends["high_phi"] for ends in broken)


def test_the_limit_holds_on_every_device_and_beside_other_limits() -> None:
    alone = {
        device: plan(f"--device={device}", "--max-latency-ms=20")["solution"]["phi"]
        for device in ("usb3", "usb3-pi4")
    }
    both = plan("--device=usb3,usb3-pi4", "--max-latency-ms=20")["solution"]
    assert both["phi"] <= min(alone.values())
    few = plan("--device=usb3", "--max-latency-ms=20", "--max-bytes=4MB")["solution"]
    assert set(few["used"]) == {"weight_bytes", "latency_ms"}
    assert few["phi"] < alone["usb3"]


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        pytest.param(("--device=usb33",), DeviceError, "did you mean 'usb3'", id="typo"),
        pytest.param(("--device=pi4",), DeviceError, "CPUs are not predicted; measure with 'edge",
                     id="CPU only"),
        pytest.param(("--device=usb3,pi5-usb",), DeviceError, "its USB 3 sends weights is not kn",
                     id="nothing published"),
        pytest.param(("--device=usb3", "--baseline=efficientnet-b"), ArchitectureError,
                     "no latency is predicted for 'efficientnet-b'", id="never seen layers"),
        pytest.param(("--device=usb3", "--max-latency-ms=0.5"), ArchitectureError,
                     "keeps to 0.5 ms of latency; the smallest there is: phi -", id="nothing fits"),
        pytest.param(("--device=usb3", "--max-latency-ms=0.001"), ArchitectureError,
                     "keeps to 0.001 ms of latency;", id="a microsecond"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_refused_in_one_sentence(
    arguments: tuple[str, ...], error: type[Exception], complaint: str
) -> None:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, error)
    assert complaint in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--max-latency-ms=10",), "--max-latency-ms needs a device"),
        (("--device=,",), "--device names nothing"),
        (("--device=usb3", "--device=usb3-x86"), "twice; name it once"),
        (("--device=usb3", "--max-latency-ms=nan"), "not a number above zero"),
        (("--device=usb3", "--max-latency-ms=0"), "not a number above zero"),
        (("--device=usb3", "--max-latency-ms=ten"), "not a valid float"),
        (("--phi=0,1", "--device=usb3", "--layers"), "one network on one device, and 2 on 1"),
        (("--phi=0", "--layers"), "one network on one device, and 1 on 0"),
    ],
)
def test_wrong_usage_says_what_is_needed(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == click.UsageError.exit_code
    assert complaint in result.output


def test_a_baseline_from_a_file_is_predicted_but_has_nothing_published(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'name = "own"\nstem_filters = 8\nhead_filters = 32\n'
        'depth_divisor = 4\nresolution = 32\nactivation = "relu"\nblocks = ["r1_k3_s11_e1_i8_o8"]\n'
    )
    (latency,) = plan("--phi=0", f"--baseline={path}", "--device=usb3")["variants"][0]["latencies"]
    assert latency["known"] is None
    assert latency["latency_ms"] > 0


def test_fifty_phis_on_a_device_take_little_time() -> None:
    phis = ",".join(f"{step / 10:g}" for step in range(-20, 30))
    start = time.process_time()
    assert len(plan(f"--phi={phis}", "--device=usb3")["variants"]) == 50
    assert time.process_time() - start < 2.0
