"""``edgescale search`` as a user types it, with an engine that trains nothing."""

import json
import logging
import math
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgescale.cli import search as verb
from edgescale.errors import BuildError, SearchError
from edgescale.search import estimate, storage
from edgescale.search.definition import Search, SearchOptions
from edgescale.search.engine import TrialFailed
from edgescale.search.local import LocalEngine
from edgescale.search.training import TrialJob
from tests.search_study import PaperEngine, small_search

RECIPE = """
name = "small"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e2_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o16"]
head_filters = 32
depth_divisor = 4
resolution = 24
[scaling]
resolution_step = 1
[variants]
phis = [0]
[data]
folder = "images"
[training]
epochs = 3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> PaperEngine:
    """Puts an engine and data in place of the real ones; weights are whatever files there are."""

    def planned(options: SearchOptions) -> Search:
        return small_search(strategy="random", candidates=2, seeds=options.seeds)

    engine = PaperEngine()
    monkeypatch.setattr(verb, "_engine", lambda *_: lambda lock: engine)
    monkeypatch.setattr(verb, "plan_search", planned)
    return engine


def typed(recipe: Path | str, *arguments: str, catch: bool = False) -> Result:
    command = ["coefficients", "--recipe", str(recipe), "--step", "0.2", "--tolerance", "0.2",
               "--untrained-baseline", *arguments]  # fmt: skip
    return CliRunner().invoke(verb.command, command, catch_exceptions=catch)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train-baseline"], "exclude each other"),
        (["--strategy", "random"], "--trials is needed"),
        (["--trials", "3"], "--trials is needed"),
        (["--address", "10.0.0.1:6379"], "--address is for --engine ray"),
        (["--phi", "0"], "'--phi'"),
        ([], "Missing option '-o' / '--out'"),
    ],
)
def test_flags_that_do_not_fit_together_are_wrong_usage(
    recipe: Path, arguments: list[str], said: str
) -> None:
    result = typed(recipe, *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_dry_run_without_its_data_shows_candidates_and_no_hours(
    recipe: Path, tmp_path: Path
) -> None:
    record = json.loads(typed(recipe, "--dry-run", "--json", "--jobs", "2").output)
    assert (record["hours"], record["cpu_hours"]) == (None, None)
    assert "no such folder" in record["hours_reason"]
    assert "1000 classes" in record["hours_reason"]
    assert record["trials"] == 3 * len(record["candidates"])
    assert record["candidates"][0]["incumbent"]
    assert {"alpha", "macs", "resolution", "parameters"} <= set(record["candidates"][0])
    assert list(tmp_path.iterdir()) == [recipe]
    shown = typed(recipe, "--dry-run").output
    assert "1.2/1.1/1.15 (published)" in shown
    assert "hours are not known: " in shown


def test_a_dry_run_without_tensorflow_says_so(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise BuildError("building needs TensorFlow")

    monkeypatch.setattr(verb, "plan_search", lambda options: small_search())
    monkeypatch.setattr(estimate, "require_tensorflow", missing)
    assert "hours are not known: building needs TensorFlow" in typed(recipe, "--dry-run").output


def test_a_dry_run_multiplies_what_it_measured(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "plan_search", lambda options: small_search(baseline="trained"))
    monkeypatch.setattr(LocalEngine, "measure", lambda self, job: (10.0, 100.0))
    record = json.loads(typed(recipe, "--dry-run", "--json", "--jobs", "2").output)
    search = small_search()
    share = search.baseline.variant.cost.macs / search.space.target_macs
    expected_s = search.trials * 310 + 2 * (10 + 300 * share)
    assert record["seconds_per_trial"] == 310
    assert record["cpu_hours"] == pytest.approx(expected_s / 3600)
    assert record["hours"] == pytest.approx(expected_s / 7200)


def test_hours_count_whole_rounds_on_the_cores_there_are(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "plan_search", lambda options: small_search(seeds=1))
    monkeypatch.setattr(verb, "cores", lambda: 4)
    monkeypatch.setattr(LocalEngine, "measure", lambda self, job: (0.0, 1200.0))
    trials = small_search(seeds=1).trials
    for jobs, rounds in (("64", math.ceil(trials / 4)), ("3", math.ceil(trials / 3))):
        record = json.loads(typed(recipe, "--dry-run", "--json", "--jobs", jobs).output)
        assert record["jobs"] == int(jobs)
        assert record["hours"] == pytest.approx(rounds)  # a trial takes an hour
        assert record["cpu_hours"] == pytest.approx(trials)


def test_a_dry_run_for_a_cluster_takes_its_slots_and_leaves_it(
    recipe: Path, engine: PaperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.slots = 48
    monkeypatch.setattr(LocalEngine, "measure", lambda self, job: (0.0, 1200.0))
    record = json.loads(typed(recipe, "--dry-run", "--json", "--engine", "ray").output)
    assert (record["jobs"], record["trials"]) == (48, 6)
    assert record["hours"] == pytest.approx(1)
    assert engine.closed.is_set()


def test_a_search_prints_its_verdict_and_how_to_go_on(
    recipe: Path, tmp_path: Path, engine: PaperEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgescale")
    engine.before = _weights
    out = tmp_path / "study"
    result = typed(recipe, "--out", str(out), "--seeds", "2")
    assert result.exit_code == 0
    assert "1.2/1.1/1.15 (published)" in result.output
    assert "Kept: the published 1.2/1.1/1.15" in result.output
    assert f'coefficients = "{out / "coefficients.json"}"' in result.output
    assert "weights.npz" in result.output
    assert engine.closed.is_set()
    told = [text for text in caplog.messages if " of 4: " in text]
    assert [text.split(" ")[0] for text in told] == ["1", "2", "3", "4"]
    assert "seed 0 finished, score" in told[0]
    assert "3 CPU-s, about" in told[0]
    again = json.loads(typed(recipe, "--out", str(out), "--seeds", "2", "--json").output)
    assert again["trials"] == {"finished": 4, "pruned": 0, "failed": 0}
    assert again["cpu_s"] == 12
    assert Path(again["weights"]).is_file()
    assert again["verdict"]["kept"]


def test_weights_that_were_removed_are_not_named(
    recipe: Path, tmp_path: Path, engine: PaperEngine
) -> None:
    engine.before = _weights
    out = tmp_path / "study"
    assert "[weights]" in typed(recipe, "--out", str(out), "--seeds", "2").output
    shutil.rmtree(out / "trials")
    shown = typed(recipe, "--out", str(out), "--seeds", "2")
    assert shown.exit_code == 0
    assert "[weights]" not in shown.output
    assert "are not there; a build starts anew" in shown.output
    again = json.loads(typed(recipe, "--out", str(out), "--seeds", "2", "--json").output)
    assert again["weights"] is None


def test_failed_trials_end_in_exit_1_after_the_report(
    recipe: Path, tmp_path: Path, engine: PaperEngine
) -> None:
    search = small_search(strategy="random", candidates=2, seeds=2)

    def failing(job: TrialJob) -> None:
        _weights(job)
        if job.identity == f"{search.chosen[1].identity}-s1":
            raise TrialFailed("out of memory")

    engine.before = failing
    out = tmp_path / "study"
    with pytest.raises(SearchError, match=r"1 of 4 trials failed, first .*-s1: out of memory"):
        typed(recipe, "--out", str(out), "--seeds", "2")
    assert (out / "report.md").is_file()


def test_where_the_published_failed_the_failure_is_told(
    recipe: Path, tmp_path: Path, engine: PaperEngine
) -> None:
    def failing(job: TrialJob) -> None:
        raise TrialFailed("the loss is nan")

    engine.before = failing
    with pytest.raises(SearchError, match=r"2 of 2 trials failed, first .*: the loss is nan"):
        typed(recipe, "--out", str(tmp_path / "study"), "--seeds", "1")
    assert not (tmp_path / "study" / "report.md").exists()


def test_an_interrupt_says_how_to_go_on(
    recipe: Path, tmp_path: Path, engine: PaperEngine, caplog: pytest.LogCaptureFixture
) -> None:
    def pressed(job: TrialJob) -> None:
        raise KeyboardInterrupt

    engine.before = pressed
    assert typed(recipe, "--out", str(tmp_path / "study")).exit_code != 0
    assert any("the same command goes on" in text for text in caplog.messages)
    assert engine.closed.is_set()


@pytest.mark.parametrize("package", ["optuna", "scipy", "matplotlib"])
def test_a_missing_package_names_the_extra(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    def found(name: str) -> object:
        return None if name == package else find_spec(name)

    monkeypatch.setattr(storage, "find_spec", found)
    with pytest.raises(SearchError, match=rf"{package}.*pip install 'edgescale\[search\]'"):
        typed(recipe, "--out", str(tmp_path / "study"))
    assert not (tmp_path / "study").exists()


def test_a_dead_cluster_is_one_sentence_and_no_study_is_begun(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "plan_search", lambda options: small_search())
    arguments = ("--engine", "ray", "--address", "127.0.0.1:9")
    for way in (["--out", str(tmp_path / "study")], ["--dry-run"]):
        with pytest.raises(SearchError, match="no Ray cluster answers"):
            typed(recipe, *way, *arguments)
    assert not (tmp_path / "study").exists()


def test_a_recipe_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"needs \[data\] \(or --data\) and \[training\]"):
        typed("imagenet-lite", "--out", str(tmp_path / "study"))


def _weights(job: TrialJob) -> None:
    (Path(job.folder) / "weights.npz").write_bytes(b"weights")


def test_the_flags_reach_the_search(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SearchOptions] = []

    def planned(options: SearchOptions, **_: Any) -> Search:
        seen.append(options)
        raise SearchError("seen")

    monkeypatch.setattr(verb, "plan_search", planned)
    arguments = ["--score", "mean:2", "--metric", "error", "--seeds", "4", "--epochs", "7",
                 "--prune", "halving", "--data", "pictures", "--phi", "0.5"]  # fmt: skip
    with pytest.raises(SearchError, match="seen"):
        typed(recipe, "--dry-run", *arguments)
    options = seen[0]
    assert (options.scoring.text, options.scoring.metric) == ("mean:2", "error")
    assert (options.seeds, options.epochs, options.prune) == (4, 7, "halving")
    assert (options.data_folder, options.phi, options.step) == (Path("pictures"), 0.5, "0.2")
    assert options.baseline == "untrained"
