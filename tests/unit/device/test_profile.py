import json
from pathlib import Path
from typing import Any

import pytest

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.profile import Measurement, Noise, ThreadTrial
from edgescale.device.profile_record import profile_from_dict, read_profile
from edgescale.errors import ProfileError
from tests.fakes import fake_family, machine, measured, profile_of


def record(tmp_path: Path) -> dict[str, Any]:
    family = fake_family(tmp_path, {"a": 1, "b": 2})
    first, second = family.manifest.variants
    failed = Measurement(
        second.name, second.model.sha256, error="ended with SIGSEGV", error_kind="X"
    )
    full = machine(
        memory_limits=(MemoryLimit("/sys/fs/cgroup/x", 10, 5),),
        edge_tpus=(EdgeTpu("pci", "apex_0", None, -89.7, "x"),),
    )
    profile = profile_of(
        family,
        (measured(first), failed),
        machine=full,
        threads_asked=4,
        threads_tried=(ThreadTrial(1, 9.5), ThreadTrial(2, 5.25)),
        edgetpu_library="libedgetpu.so.1",
        edgetpu_library_sha256="0" * 64,
        edgetpu_performance="low",
        noise=Noise(0.0, 1.0, 0.1, 0.2, "ondemand", -1.5, 60.0, 1500.0, 1400.0, -0.25, ("hot",)),
        stale="p95 doubled",
    )
    result: dict[str, Any] = json.loads(json.dumps(profile.to_dict()))
    assert profile_from_dict(result) == profile
    return result


def test_schema_version_stands_first_and_a_newer_one_names_the_version(tmp_path: Path) -> None:
    table = record(tmp_path)
    assert next(iter(table)) == "schema_version"
    with pytest.raises(ProfileError, match=r"schema version 3 .* install edgescale 0\.1\.0"):
        profile_from_dict(table | {"schema_version": 3})


def test_an_older_schema_is_measured_anew(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="schema version 1 is of an older edgescale"):
        profile_from_dict(record(tmp_path) | {"schema_version": 1})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param("threads", "1", "threads: expected a whole number", id="text for a number"),
        pytest.param("threads", True, "threads", id="true for a number"),
        pytest.param("time", "yesterday", "RFC 3339", id="no time"),
        pytest.param("time", "2026-01-31T12:00:00", "RFC 3339", id="no zone"),
        pytest.param("variants", {}, "expected a list", id="no list"),
        pytest.param("machine", None, "expected a table", id="no machine"),
        pytest.param("models", [["a"]], "models: expected a list of pairs", id="half a pair"),
        pytest.param("threads_asked", 0, "threads_asked", id="no threads"),
        pytest.param("noize", 1, "unknown key 'noize', did you mean 'noise'", id="typo"),
    ],
)
def test_refuses_a_wrong_value_with_its_place(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    with pytest.raises(ProfileError, match=said):
        profile_from_dict(record(tmp_path) | {key: value})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("load_ms", None, r"variants\[0\]\.load_ms"),
        ("latencies_ms", [], "times above zero"),
        ("latencies_ms", [1.0, 0.0], "times above zero"),
        ("latencies_ms", [1.0] * 20_001, "at most 20000"),
        (
            "invoke_ms",
            {"min": 1, "median": 2, "p95": 4, "p99": 3},
            "min <= median <= p95 <= p99",
        ),
    ],
)
def test_refuses_figures_that_are_missing_or_out_of_order(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    table = record(tmp_path)
    table["variants"][0][key] = value
    with pytest.raises(ProfileError, match=said):
        profile_from_dict(table)


def test_figures_come_from_the_single_latencies(tmp_path: Path) -> None:
    variant = fake_family(tmp_path, {"a": 1}).manifest.variants[0]
    entry = measured(variant, p95_ms=10.0, memory_bytes=101)
    assert entry.n == 200
    assert entry.latency_ms is not None
    assert entry.latency_ms.p95 == 10.0
    assert entry.fps == pytest.approx(200_000 / sum(entry.latencies_ms))
    assert entry.memory_bytes == 101
    nothing = Measurement("a", "0", error="x")
    assert (nothing.n, nothing.latency_ms, nothing.fps, nothing.autocorrelation) == (None,) * 4


def test_the_summary_has_intervals_in_place_of_single_latencies(tmp_path: Path) -> None:
    variant = fake_family(tmp_path, {"a": 1}).manifest.variants[0]
    summary = json.loads(json.dumps(measured(variant, p95_ms=10.0).summary()))
    assert "latencies_ms" not in summary
    assert (summary["n"], summary["latency_ms"]["p95"]) == (200, 10.0)
    assert (summary["latency_ms"]["p95_low"], summary["latency_ms"]["p95_high"]) == (10.0, 11.0)
    assert summary["latency_ms"]["p99_high"] is None
    assert Measurement("a", "0", error="x").summary()["latency_ms"] is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"NaN", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_a_profile_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError):
        read_profile(path)
