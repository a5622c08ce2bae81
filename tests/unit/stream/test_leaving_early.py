"""``classify()`` left in the middle, as a script does that has seen enough: all is finished."""

import pytest

from edgescale.errors import StreamError
from edgescale.stream.pipeline import classify
from tests.live_fakes import NotingSink, PlayedSource
from tests.live_scene import Scene, scene

__all__ = ["scene"]  # it checks that no thread is left behind


@pytest.mark.parametrize("live", [False, True])
def test_break_ends_worker_source_and_outputs(scene: Scene, live: bool) -> None:
    scene.source, sink = PlayedSource(10**6, live=live, hangs=True), NotingSink(queue_size=99)
    seen = []
    for result in classify(scene.family, "0", variant="phi0", device="cpu", sinks=[sink]):
        seen.append(result.index)
        if len(seen) == 3:
            break
    assert (sink.closed, scene.source.closed.is_set()) == (1, True)
    assert [worker.closed for worker in scene.workers] == [True]
    assert sink.indices == seen  # those that were given, and nothing after them


def test_an_error_of_the_caller_is_raised_when_all_is_finished(scene: Scene) -> None:
    scene.source, sink = PlayedSource(10**6, live=True, hangs=True), NotingSink(queue_size=99)
    results = classify(scene.family, "0", variant="phi0", device="cpu", sinks=[sink])
    next(results)
    with pytest.raises(StreamError, match="enough"):
        results.throw(StreamError("enough"))
    assert (sink.closed, scene.source.closed.is_set()) == (1, True)


def test_a_loop_that_was_never_begun_opens_nothing(scene: Scene) -> None:
    scene.source = PlayedSource(5)
    classify(scene.family, "0", variant="phi0", device="cpu").close()
    assert scene.workers == []
    assert scene.source.given == 0
