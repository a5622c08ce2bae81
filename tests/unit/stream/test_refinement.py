import numpy as np
import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.frame import Frame
from edgescale.stream.presence import PresenceLimits
from edgescale.stream.refinement import Refinement
from tests.fakes import picture
from tests.live_fakes import PlayedSource
from tests.live_scene import Scene, scene

__all__ = ["scene"]
FEW = PresenceLimits(enter=0.12, leave=0.08, duration_s=0.0)


def flicker(frames: int = 120, labels: int = 12) -> list[tuple[Prediction, ...]]:
    """Returns all scores of each frame of a model that is hardly sure, best first."""
    random = np.random.default_rng(1)
    found = []
    for scores in random.dirichlet(np.linspace(3.0, 2.0, labels), frames):
        order = sorted(range(labels), key=lambda label: -scores[label])
        found.append(tuple(Prediction(one, f"label {one}", float(scores[one])) for one in order))
    return found


def refined(refine: Refinement) -> tuple[list[tuple[Prediction, ...]], list[Event]]:
    """Returns what is shown and told at ten frames a second of a worker that gives ``needs``."""
    shown = [
        refine(Frame(index, picture(), index / 10, source="cam"), found[: refine.needs])
        for index, found in enumerate(flicker())
    ]
    return shown, refine.events() + refine.close()


@pytest.mark.parametrize("smooth_s", [None, 1.0])
def test_what_is_shown_and_told_does_not_hang_on_how_many_are_shown(
    smooth_s: float | None,
) -> None:
    one, events = refined(Refinement(top_k=1, smooth_s=smooth_s, presence=FEW))
    five, same = refined(Refinement(top_k=5, smooth_s=smooth_s, presence=FEW))
    assert events
    assert {len(shown) for shown in one} == {1}
    assert {len(shown) for shown in five} == {5}
    assert [shown[0] for shown in one] == [shown[0] for shown in five]
    assert [(event.kind, event.details) for event in events] == [
        (event.kind, event.details) for event in same
    ]


def test_a_frame_as_it_is_needs_no_more_than_is_shown() -> None:
    assert Refinement(top_k=3).needs == 3
    assert Refinement(top_k=3, smooth_s=1.0).needs == 20
    assert Refinement(top_k=30, presence=FEW).needs == 30


def test_the_worker_is_asked_for_what_smoothing_needs(scene: Scene) -> None:
    with scene.pipeline(PlayedSource(2), top_k=1, smooth_s=1.0) as pipeline:
        assert [len(result.predictions) for result in pipeline] == [1, 1]
    assert scene.top_k == [20]


def test_none_to_be_shown_is_refused_with_smoothing_too(scene: Scene) -> None:
    with pytest.raises(ValueError, match="top_k is 0"):
        scene.pipeline(PlayedSource(2), top_k=0, smooth_s=1.0)
