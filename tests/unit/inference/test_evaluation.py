import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, DataError
from edgescale.family.manifest import Artifact
from edgescale.inference.evaluation import (
    Evaluation,
    evaluate,
    load_evaluation,
    save_evaluation,
    with_model,
    with_worker,
)
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Worker
from tests.tiny_models import BLUE, GREEN, RED, Tiny, tiny_family, tiny_record

SAMPLES = [(RED, 0), (GREEN, 1), (BLUE, 2), (BLUE, 0)]
FILE = Artifact("evaluations/a.json", "0" * 64, 1)


def test_worker_and_model_in_this_process_give_the_same(tmp_path: Path) -> None:
    record = tiny_record(tmp_path, "tiny", Tiny(background=True))
    family = tiny_family(tmp_path, record)
    with Worker(family, record) as worker:
        apart = evaluate(with_worker(worker), SAMPLES)
    here = evaluate(
        with_model(family.path(record.model), record.preparation, label_offset=1), SAMPLES
    )
    assert apart == here
    assert here.truth == (0, 1, 2, 0)
    assert [answer[0] for answer in here.int8_top5] == [0, 1, 2, 2]
    assert here.int8_right == (True, True, True, False)


def test_sums_up_top_1_top_5_and_agreement() -> None:
    evaluation = Evaluation("0" * 64, (0, 1, 2, 0), ((0, 1), (1, 0), (0, 2), (1, 2)), (0, 1, 2, 1))
    accuracy = evaluation.accuracy(FILE)
    assert (accuracy.n, accuracy.int8_top1, accuracy.int8_top5) == (4, 0.5, 0.75)
    assert (accuracy.float_top1, accuracy.agreement) == (0.75, 0.75)
    alone = replace(evaluation, float_top1=None).accuracy(FILE)
    assert (alone.float_top1, alone.agreement) == (None, None)


def test_the_digest_knows_pixels_order_and_classes() -> None:
    def digest(samples: Sequence[tuple[Image, int]]) -> str:
        return evaluate(lambda frames: ((0,) for _ in frames), samples).images_sha256

    first = digest(SAMPLES)
    assert first == digest(list(SAMPLES))
    others = (SAMPLES[::-1], SAMPLES[:3], [*SAMPLES[:3], (BLUE, 1)])
    assert len({first, *(digest(other) for other in others)}) == 4


def test_refuses_to_evaluate_on_nothing() -> None:
    with pytest.raises(DataError, match="no images"):
        evaluate(lambda frames: ((0,) for _ in frames), [])


def test_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    evaluation = Evaluation("a" * 64, (0, 1), ((0, -1), (1,)), (0, 2))
    save_evaluation(tmp_path / "sub" / "e.json", evaluation)
    assert load_evaluation(tmp_path / "sub" / "e.json") == evaluation
    save_evaluation(tmp_path / "e.json", replace(evaluation, float_top1=None))
    assert load_evaluation(tmp_path / "e.json").float_top1 is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"schema_version": 2}, "newer than this edgescale", id="newer"),
        pytest.param({"truth": [0]}, "not as expected", id="too few"),
        pytest.param({"truth": [0, "x"]}, "not as expected", id="a text"),
        pytest.param({"int8_top5": [[0]]}, "1 answers to 2 images", id="too few answers"),
        pytest.param({"int8_top5": [[0], []]}, "not as expected", id="an empty answer"),
        pytest.param({"float_top1": [0, -7]}, "not as expected", id="a negative class"),
        pytest.param({"extra": 1}, "unknown key 'extra'", id="unknown key"),
    ],
)
def test_refuses_an_evaluation_that_is_not_whole(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "e.json"
    save_evaluation(path, Evaluation("a" * 64, (0, 1), ((0,), (1,))))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=said):
        load_evaluation(path)
