import json
from pathlib import Path
from typing import Any

import pytest

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.profile import Measurement, profile_from_dict, read_profile
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
    profile = profile_of(family, (measured(first), failed), machine=full)
    result: dict[str, Any] = json.loads(json.dumps(profile.to_dict()))
    assert profile_from_dict(result) == profile
    return result


def test_schema_version_stands_first_and_a_newer_one_names_the_version(tmp_path: Path) -> None:
    table = record(tmp_path)
    assert next(iter(table)) == "schema_version"
    with pytest.raises(ProfileError, match=r"schema version 2 .* install edgescale 0\.1\.0"):
        profile_from_dict(table | {"schema_version": 2})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param("threads", "1", "threads: expected a whole number", id="text for a number"),
        pytest.param("threads", True, "threads", id="true for a number"),
        pytest.param("time", "yesterday", "RFC 3339", id="no time"),
        pytest.param("time", "2026-01-31T12:00:00", "RFC 3339", id="no zone"),
        pytest.param("variants", {}, "expected a list", id="no list"),
        pytest.param("machine", None, "expected a table", id="no machine"),
        pytest.param("noize", 1, "unknown key 'noize', did you mean 'noise'", id="typo"),
    ],
)
def test_refuses_a_wrong_value_with_its_place(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    with pytest.raises(ProfileError, match=said):
        profile_from_dict(record(tmp_path) | {key: value})


def test_refuses_figures_that_are_missing_or_out_of_order(tmp_path: Path) -> None:
    table = record(tmp_path)
    table["variants"][0]["fps"] = None
    with pytest.raises(ProfileError, match=r"variants\[0\]\.fps"):
        profile_from_dict(table)
    table = record(tmp_path)
    table["variants"][0]["latency_ms"]["p95"] = 1e6
    with pytest.raises(ProfileError, match="min <= median <= p95 <= p99"):
        profile_from_dict(table)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"NaN", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_a_profile_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError):
        read_profile(path)
