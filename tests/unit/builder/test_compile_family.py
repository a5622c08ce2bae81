"""Compiling a family: what is kept, what a failure costs, kills, and two at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.builder import lock
from edgescale.builder.compile_family import Compiling, Outcome, carried_over, compile_family
from edgescale.edgetpu.compiler_command import CompilerOptions
from edgescale.errors import ArtifactError, BuildError, BuildLocked, ManifestError
from edgescale.family.store import Family, artifacts_of, load_family, save_manifest, write_json
from tests.compiler_scenes import INTERNAL, PART, Scene, twin
from tests.tiny_models import Tiny, tiny_family, tiny_record

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30.0


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path / "family")


def made(folder: Path, *tinies: Tiny) -> Path:
    kinds = tinies or (Tiny(),) * 3
    records = [tiny_record(folder, f"v{index}", tiny) for index, tiny in enumerate(kinds)]
    tiny_family(folder, *records)
    return folder


def compiled(folder: Path, scene: Scene, **more: object) -> tuple[Outcome, ...]:
    compiling = replace(Compiling(scene.compiler()), **more)  # type: ignore[arg-type]
    return compile_family(folder, compiling, lambda _: None)


def states(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")
            if path.is_file() and ".build" not in path.parts}  # fmt: skip


def named(folder: Path) -> set[Path]:
    family = load_family(folder)
    return {Path(one.path) for one in artifacts_of(family.manifest)} | {Path("manifest.json")}


def test_every_variant_keeps_both_files_and_the_record(folder: Path, scene: Scene) -> None:
    scene.version = "15.0.340273435"
    assert states(compiled(folder, scene)) == ["compiled"] * 3
    for variant in load_family(folder).manifest.variants:
        assert variant.compiled is not None
        assert variant.compiled.path.startswith(f"models/{variant.name}-")
        assert variant.compiled.path.endswith("_edgetpu.tflite")
        assert (folder / variant.compiled.path).read_bytes() == twin()
        assert variant.compiled_reason is None
        found = variant.compilation
        assert found is not None
        assert (found.compiler_version, found.options) == ("15.0.340273435", ())
        assert (found.on_chip_memory_used_bytes, found.off_chip_streaming_bytes) == (192, 64)
        assert (found.ops_on_edgetpu, found.ops_on_cpu, found.min_runtime_version) == (2, 0, 14)
    assert files(folder) == named(folder)
    text = (folder / "manifest.json").read_text()
    for secret in (str(folder), str(scene.folder), "fake_compiler", "/tmp"):
        assert secret not in text


def test_a_second_run_compiles_nothing_and_changes_no_byte(folder: Path, scene: Scene) -> None:
    compiled(folder, scene)
    before = (folder / "manifest.json").read_bytes()
    assert states(compiled(folder, scene)) == ["kept"] * 3
    assert (folder / "manifest.json").read_bytes() == before
    assert len(scene.calls()) == 3


def test_another_version_or_option_compiles_again_and_leaves_no_file_over(
    folder: Path, scene: Scene
) -> None:
    compiled(folder, scene)
    scene.runs = [scene.success(content=twin(min_runtime=12))]
    options = CompilerOptions(min_runtime_version=12)
    assert states(compiled(folder, scene, options=options)) == ["compiled"] * 3
    assert files(folder) == named(folder)
    scene.version = "16.1"
    assert states(compiled(folder, scene, options=options)) == ["compiled"] * 3


def test_a_failure_takes_only_its_variant_and_is_tried_again(tmp_path: Path, scene: Scene) -> None:
    folder = made(tmp_path / "family", Tiny(), Tiny(per_channel=True), Tiny())
    first, bad, last = compiled(folder, scene)
    assert states((first, bad, last)) == ["compiled", "failed", "compiled"]
    record = load_family(folder).variant("v1")
    assert record.compiled is None
    assert record.compiled_reason == bad.reason
    assert "per" in str(bad.reason)
    assert states(compiled(folder, scene)) == ["kept", "failed", "kept"]
    assert states(compiled(folder, scene, allow_partial=True)) == ["kept", "compiled", "kept"]


def test_what_was_compiled_before_outlives_a_failure(folder: Path, scene: Scene) -> None:
    compiled(folder, scene)
    before = (folder / "manifest.json").read_bytes()
    scene.version, scene.runs = "16.2", [INTERNAL]
    outcomes = compiled(folder, scene)
    assert states(outcomes) == ["failed"] * 3
    assert "gave up without a reason" in str(outcomes[0].reason)
    assert (folder / "manifest.json").read_bytes() == before


def test_the_log_of_a_variant_is_kept_outside_of_the_manifest(folder: Path, scene: Scene) -> None:
    outcomes = compiled(folder, scene)
    logs = [folder / ".build" / f"v{index}" / "compile.log" for index in range(3)]
    assert [outcome.log for outcome in outcomes] == logs
    assert "Total number of operations: 2" in logs[0].read_text()
    scene.version, scene.runs = "16.2", [INTERNAL]
    failed = compiled(folder, scene)
    assert failed[0].why == f"{failed[0].reason}; all it said is in {logs[0]}"
    assert (failed[0].attempts, failed[0].took_s > 0) == (5, True)
    assert logs[0].read_text().count("Internal compiler error") == 5
    assert "compile.log" not in (folder / "manifest.json").read_text()


def test_no_log_is_written_where_a_link_leads_out_of_the_family(
    folder: Path, scene: Scene, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (folder / ".build").mkdir()
    (folder / ".build" / "v0").symlink_to(tmp_path / "mine")
    outcomes = compiled(folder, scene)
    assert (states(outcomes), outcomes[0].log) == (["compiled"] * 3, None)
    assert list((tmp_path / "mine").iterdir()) == []


def test_lint_that_refuses_leaves_no_log_of_another_day(tmp_path: Path, scene: Scene) -> None:
    folder = made(tmp_path / "family", Tiny(per_channel=True))
    assert compiled(folder, scene, allow_partial=True)[0].log is not None
    scene.version = "16.2"
    (outcome,) = compiled(folder, scene)
    assert (outcome.state, outcome.log, outcome.attempts) == ("failed", None, 0)
    assert not (folder / ".build" / "v0" / "compile.log").exists()


def test_another_timeout_compiles_nothing_and_is_not_recorded(folder: Path, scene: Scene) -> None:
    compiled(folder, scene, options=CompilerOptions(timeout_s=50))
    before = (folder / "manifest.json").read_bytes()
    again = compiled(folder, scene, options=CompilerOptions(timeout_s=60))
    assert states(again) == ["kept"] * 3
    assert (folder / "manifest.json").read_bytes() == before
    assert b'"-t"' not in before


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_compiled_file_that_is_missing_or_damaged_is_made_again(
    folder: Path, scene: Scene, content: bytes | None
) -> None:
    compiled(folder, scene)
    before = (folder / "manifest.json").read_bytes()
    record = load_family(folder).variant("v1").compiled
    assert record is not None
    path = folder / record.path
    path.unlink() if content is None else path.write_bytes(content)
    assert states(compiled(folder, scene)) == ["kept", "compiled", "kept"]
    assert (folder / "manifest.json").read_bytes() == before
    path.unlink()
    scene.runs = [{"status": 1}]
    assert states(compiled(folder, scene)) == ["kept", "failed", "kept"]
    assert load_family(folder).variant("v1").compiled is None
    model = folder / load_family(folder).variant("v0").model.path
    model.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="the manifest says"):
        compiled(folder, scene)


def test_a_part_that_was_allowed_once_is_judged_again(folder: Path, scene: Scene) -> None:
    scene.runs = [scene.success(PART)]
    allowed = compiled(folder, scene, allow_partial=True)
    assert states(allowed) == ["compiled"] * 3
    assert allowed[0].on_cpu[0].startswith("1 SOFTMAX: More than one subgraph")
    assert states(compiled(folder, scene)) == ["failed"] * 3
    assert states(compiled(folder, scene, allow_partial=True)) == ["kept"] * 3


def test_without_a_compiler_each_variant_says_so_and_what_is_compiled_stays(
    folder: Path, scene: Scene
) -> None:
    none = Compiling(None, "no compiler here")
    assert states(compile_family(folder, none, lambda _: None)) == ["failed"] * 3
    variants = load_family(folder).manifest.variants
    assert {variant.compiled_reason for variant in variants} == {"no compiler here"}
    compiled(folder, scene)
    assert states(compile_family(folder, none, lambda _: None)) == ["kept"] * 3


def test_a_folder_without_a_family_gets_no_lock(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no manifest\.json here"):
        compile_family(tmp_path, Compiling(None), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_of_version_1_is_compiled_and_becomes_one_of_today(
    folder: Path, scene: Scene
) -> None:
    record = load_family(folder).manifest.to_dict() | {"schema_version": 1}
    for variant in record["variants"]:
        del variant["compilation"]
    write_json(folder / "manifest.json", record)
    assert states(compiled(folder, scene)) == ["compiled"] * 3
    assert load_family(folder).manifest.schema_version == 2


def test_a_folder_that_cannot_be_written_is_told(folder: Path, scene: Scene) -> None:
    (folder / ".build").write_text("a file in the way")
    with pytest.raises(BuildError, match="cannot be written"):
        compiled(folder, scene)


def test_a_build_carries_over_what_was_compiled_from_the_same_model(
    folder: Path, scene: Scene
) -> None:
    fresh = load_family(folder).manifest.variants
    compiled(folder, scene)
    known = load_family(folder).manifest.variants
    assert carried_over(folder, fresh) == known
    other = replace(fresh[0], model=replace(fresh[0].model, sha256="0" * 64))
    assert carried_over(folder, (other, *fresh[1:])) == (other, *known[1:])
    assert known[1].compiled is not None
    (folder / known[1].compiled.path).write_bytes(b"damaged")
    assert carried_over(folder, fresh) == (known[0], fresh[1], known[2])
    assert carried_over(folder / "none", fresh) == fresh


@pytest.fixture
def hanging(folder: Path, scene: Scene, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A compile of the family that has finished one variant and hangs in the second."""
    scene.runs = [scene.success(), {"hang": True}]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgescale", "compile", str(folder), "--compiler", scene.command],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # what a kill leaves there goes with it
    )  # fmt: skip
    end = time.monotonic() + PATIENCE_S
    while not Path(f"{scene.scenario}.child").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()
    with suppress(ProcessLookupError):
        os.killpg(scene.calls()[1]["pid"], signal.SIGKILL)


def test_a_killed_compile_leaves_a_whole_family_and_the_next_one_ends_the_same(
    hanging: "subprocess.Popen[bytes]", folder: Path, scene: Scene, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.1)
    with pytest.raises(BuildLocked, match="works on this family"):
        compile_family(folder, Compiling(None), lambda _: None)
    hanging.kill()
    hanging.wait()
    variants = load_family(folder).manifest.variants
    assert [variant.compiled is not None for variant in variants] == [True, False, False]
    (folder / "models" / ".v1-x_edgetpu.tflite.0123abcd.part").write_bytes(b"half")
    scene.runs = [scene.success()]
    assert states(compiled(folder, scene)) == ["kept", "compiled", "compiled"]
    assert files(folder) == named(folder)
    other = made(tmp_path / "other")
    compiled(other, scene)
    assert (folder / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()


def test_sigterm_ends_the_compiler_too(
    hanging: "subprocess.Popen[bytes]", folder: Path, scene: Scene
) -> None:
    hanging.terminate()
    assert hanging.wait(PATIENCE_S) == 143
    end = time.monotonic() + PATIENCE_S
    pid = scene.calls()[1]["pid"]
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()
    family: Family = load_family(folder)
    save_manifest(folder, family.manifest)
