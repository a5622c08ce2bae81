import json
from dataclasses import replace

import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.sinks.records import event_record, result_record, utc_now
from tests.results import entered, frame_result


def test_a_record_holds_time_age_stages_and_predictions_and_its_line_steers_no_terminal() -> None:
    label = "cat\x1b[2J\u202e"
    result = frame_result(3, fps=30.0, predictions=(Prediction(0, label, 0.75),))
    record = result_record(result)
    assert next(iter(record)) == "schema_version"
    line = json.dumps(record)
    assert line.isascii()
    assert "\x1b" not in line
    back = json.loads(line)
    assert (back["age_ms"], back["latency_ms"]) == (12.346, 11.988)
    assert (back["decode_ms"], back["wait_ms"], back["prepare_ms"]) == (1.235, 2.0, 0.5)
    assert (back["device"], back["runtime"]) == ("cpu", "ai_edge_litert")
    assert back["predictions"] == [{"class_id": 0, "label": label, "score": 0.75}]
    assert result_record(replace(result, predictions=()))["predictions"] == []


@pytest.mark.parametrize(("own", "shown"), [("front", "front"), ("", "v.mp4")])
def test_a_result_tells_its_own_source_where_it_knows_it(own: str, shown: str) -> None:
    assert result_record(frame_result(source=own), "v.mp4")["source"] == shown


def test_an_event_tells_its_details_and_the_source_it_concerns() -> None:
    record = event_record(entered(), "v.mp4", time="2026-01-31T12:00:00.000Z")
    assert (record["event"], record["source"], record["label"]) == ("entered", "front", "cat")
    assert record["time"] == "2026-01-31T12:00:00.000Z"
    moved = event_record(Event("moved", "to the CPU"), "v.mp4")
    assert (moved["schema_version"], moved["source"]) == (1, "v.mp4")
    assert moved["time"][:16] in (utc_now()[:16], event_record(entered())["time"][:16])
