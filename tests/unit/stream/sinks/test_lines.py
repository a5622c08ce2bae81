import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.sinks.lines import JsonSink, TextSink, result_line
from edgescale.stream.sinks.outputs import Sink
from tests.results import CAT, entered, frame_result

DOG = Prediction(1, "dog", 0.125)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (frame_result(3, predictions=(CAT, DOG)), "frame 3: cat 0.75; dog 0.12 (12.3 ms)"),
        (frame_result(3, fps=30.0), "frame 3 at 0.10 s: cat 0.75 (12.3 ms)"),
        (replace(frame_result(), name="a.jpg"), "a.jpg: cat 0.75 (12.3 ms)"),
        (frame_result(predictions=()), "frame 0: not sure (12.3 ms)"),
    ],
)
def test_a_line_says_which_frame_what_was_found_and_how_old_it_is(
    result: object, line: str
) -> None:
    assert result_line(result) == line  # type: ignore[arg-type]


def test_events_stand_among_the_results_in_their_order_or_where_they_are_sent() -> None:
    stream, notes = io.StringIO(), io.StringIO()
    sinks: list[Sink] = [TextSink(stream), TextSink(stream, notes=notes, several=True)]
    for sink in sinks:
        sink.result(frame_result(0))
        sink.event(entered(), frame_result(0))
        sink.tick()
        sink.result(frame_result(1))
        sink.close()
    event = "entered: 'cat' entered front with score 0.75"
    assert stream.getvalue().splitlines() == [
        "frame 0: cat 0.75 (12.3 ms)",
        event,
        "frame 1: cat 0.75 (12.3 ms)",
        "front: frame 0: cat 0.75 (12.3 ms)",
        "front: frame 1: cat 0.75 (12.3 ms)",
    ]
    assert notes.getvalue().splitlines() == [event]


def test_json_lines_are_one_object_each_in_order() -> None:
    stream = io.StringIO()
    sink: Sink = JsonSink(stream, source="v.mp4")
    sink.result(frame_result(0))
    sink.event(Event("moved", "to the CPU\n", {"device": "cpu"}), None)
    sink.result(frame_result(1))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("index", line.get("event")) for line in lines] == [0, "moved", 1]
    assert lines[1]["source"] == "v.mp4"


def test_a_foreign_label_steers_no_terminal_and_breaks_no_line() -> None:
    stream = io.StringIO()
    sink = TextSink(stream)
    label = "cat\x1b[2J\r\n\u202eevil\udcff"
    sink.result(frame_result(predictions=(Prediction(0, label, 0.5),)))
    sink.event(entered(label), None)
    first, second = stream.getvalue().split("\n")[:2]
    assert first == "frame 0: cat\ufffd[2J\ufffd\ufffd\ufffdevil\ufffd 0.50 (12.3 ms)"
    assert second.isprintable()


def test_a_terminal_that_knows_few_characters_gets_question_marks() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    TextSink(stream).result(frame_result(predictions=(Prediction(0, "café", 0.5),)))
    assert raw.getvalue() == b"frame 0: caf? 0.50 (12.3 ms)\n"


def test_a_reader_that_goes_away_is_told_quietly_and_nothing_fails_later() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        sink = TextSink(stream)
        sink.result(frame_result())
        os.close(reading)
        with pytest.raises(ReaderLeft):
            sink.result(frame_result())
        sink.close()


def test_a_full_disk_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as stream, pytest.raises(SinkFailed, match="No space left"):
        JsonSink(stream).result(frame_result())
    closed = (tmp_path / "a").open("w")
    closed.close()
    with pytest.raises(SinkFailed, match="cannot be written"):
        JsonSink(closed).result(frame_result())


def test_after_a_failure_python_ends_without_another_word() -> None:
    code = (
        "import sys\n"
        "from edgescale.errors import SinkFailed\n"
        "from edgescale.stream.sinks.lines import TextSink\n"
        "from tests.results import frame_result\n"
        "try:\n"
        "    TextSink(sys.stdout).result(frame_result())\n"
        "except SinkFailed as problem:\n"
        "    print(problem, file=sys.stderr)\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False, env={**os.environ, "PYTHONPATH": "."},
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == (
        "the results cannot be written (No space left on device); look at where they are sent\n"
    )
