"""What the speed of live video rests on, by counts and ratios that a busy machine does not move.

``tools/bench_live.py`` holds the sharper limits, on a quiet machine.
"""

import sys
from collections.abc import Iterator

import pytest

from tests.edgetpu_double import needs_compiler
from tools.bench_live_cost import start
from tools.bench_live_host import host_work
from tools.bench_live_loops import WARM_UP
from tools.bench_live_scene import DATA, SIZES, Scene, make_video, scene
from tools.bench_live_throughput import from_memory, with_decode

pytestmark = [
    needs_compiler,
    pytest.mark.skipif(not (DATA / "coral").is_dir(), reason=f"no Coral models in {DATA}"),
]
FRAMES = 30


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.mark.parametrize("name", SIZES)
def test_the_host_does_little_beside_the_calls_it_cannot_do_without(
    made: Scene, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = host_work(made, SIZES[name], rounds=40)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {found.text}\n")
    assert found.ratio <= 1.25


@pytest.mark.parametrize("name", SIZES)
def test_decode_and_preparation_hide_behind_the_model(
    made: Scene, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(made.folder / f"{name}.avi", SIZES[name], FRAMES + WARM_UP)
    rates = with_decode(made, video, invoke_ms=10, frames=FRAMES, rounds=2)
    best = max(rates.over("ours"))
    with capsys.disabled():
        serial = min(rates.over("serial"))
        sys.stdout.write(f"\n{name}: ours / bare {best:.3f}, the serial loop {serial:.3f}\n")
    assert best >= 0.85
    assert rates.ratio("ours", "serial") > 1


def test_a_fast_model_is_kept_busy(made: Scene) -> None:
    rates = from_memory(made, SIZES["480p"], invoke_ms=3, frames=3 * FRAMES, rounds=3)
    assert max(rates.over("ours")) >= 0.75


def test_the_first_result_costs_little(made: Scene) -> None:
    video = make_video(made.folder / "start.avi", SIZES["480p"], 3)
    assert start(made, video, times=1).beyond_invoke_s <= 2.5
