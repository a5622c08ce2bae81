"""What a page is sent: one line of JSON each, whatever a label holds."""

import json
from itertools import pairwise

import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.web.message import HISTORY_S, History, answer_message, state_message
from tests.watched_run import snapshot, source_status

FOREIGN = [
    "<img src=x onerror=alert(1)>",
    "a\n\nevent: end\ndata: {}",
    "half \udc80",
    "\N{CAT}\r\0",
]


@pytest.mark.parametrize("label", FOREIGN)
def test_a_foreign_label_stays_data(label: str) -> None:
    for message in (
        answer_message(label, [Prediction(0, label, 0.5)]),
        state_message(snapshot(source_status(label, reason=label))),
    ):
        name, data, *rest = message.decode("ascii").split("\n")
        assert name.startswith("event: ")
        assert rest == ["", ""]
        record = json.loads(data.removeprefix("data: "))
        assert label in (record.get("source"), *(one["name"] for one in record.get("sources", ())))


def test_the_state_is_the_snapshot_without_buckets() -> None:
    record = json.loads(state_message(snapshot()).split(b"data: ")[1])
    assert record["sources"][0]["predictions"][0] == {"class_id": 0, "label": "cat", "score": 0.82}
    assert record["stages"][0]["p95_ms"] == 3.0
    assert all("buckets" not in stage for stage in record["stages"])


def test_the_past_is_five_minutes_in_steps_of_half_a_second() -> None:
    history = History()
    for tenth in range(0, 4000, 2):
        history.add(snapshot(uptime_s=tenth / 10))
    times = [point[0] for point in history.points()]
    assert times[-1] - times[0] == pytest.approx(HISTORY_S, abs=1.0)
    assert min(after - before for before, after in pairwise(times)) >= 0.5


def test_before_the_first_result_the_past_has_gaps() -> None:
    history = History()
    history.add(snapshot(latency_ms=None, fps=None, variant=""))
    assert history.points() == [[320.0, None, None, None, ""]]
