"""The compile report: figures of real logs, and what a damaged log may and may not say."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.edgetpu.compiler_report import CompilerReport, parse_report
from edgescale.edgetpu.compiler_size import PrintedSize
from edgescale.edgetpu.compiler_texts import FAILURES, STATUSES, failure_of, status_of
from edgescale.edgetpu.compiler_verdict import Mapping, Verdict, judge, judge_model, unmapped
from tests.compiler_logs import CUT, MAPPED, REAL, Log, log_file, stdout

EACH = [pytest.param(logs, id=source) for source, logs in REAL.items()]
WITH_TABLES = {source: tuple(log.with_table() for log in logs) for source, logs in REAL.items()}
BOTH = EACH + [pytest.param(logs, id=f"{source}, -s") for source, logs in WITH_TABLES.items()]
UNITS = {"MiB": 2**20, "KiB": 2**10, "B": 1}


def truth(log: Log) -> Mapping:
    if log.subgraphs == 0:
        return Mapping.NOTHING
    return Mapping.FULL if log.on_edgetpu is None else Mapping.PARTIAL


def in_bytes(text: str | None) -> float | None:
    if text is None:
        return None
    unit = next(unit for unit in UNITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * UNITS[unit]


def matches(size: PrintedSize | None, text: str | None) -> bool:
    if size is None or text is None:
        return size is None and text is None
    return size.text == text and abs(size.size_bytes - (in_bytes(text) or 0)) <= 0.5


@pytest.mark.parametrize("logs", BOTH)
def test_figures_and_verdict_of_a_real_log(logs: tuple[Log, ...]) -> None:
    report = parse_report(stdout(*logs))
    assert report.version == logs[0].version
    assert (report.unknown, report.failed, report.compile_ms) == ((), False, (1524,))
    assert len(report.models) == len(logs)
    for log, model in zip(logs, report.models, strict=True):
        assert (model.input_model, model.output_model) == (
            f"{log.name}.tflite", f"{log.name}_edgetpu.tflite")  # fmt: skip
        for size, text in (
            (model.input_size, log.input_size), (model.output_size, log.output_size),
            (model.on_chip_available, log.available), (model.on_chip_used, log.used),
            (model.on_chip_remaining, log.remaining), (model.off_chip, log.off_chip),
        ):  # fmt: skip
            assert matches(size, text)
        verdict = judge_model(model)
        on_edgetpu = log.operations if log.on_edgetpu is None else log.on_edgetpu
        assert (verdict.mapping, verdict.reasons) == (truth(log), ())
        assert (verdict.ops_on_edgetpu, verdict.ops_on_cpu) == (
            on_edgetpu, log.operations - on_edgetpu)  # fmt: skip
        assert (model.subgraphs, verdict.by_table) == (log.subgraphs, bool(log.table))
    assert judge(report).mapping is max((truth(log) for log in logs), key=list(Mapping).index)


def damages(text: str, cuts: int = 1) -> Iterator[tuple[str, str]]:
    """Yields the text with each line left out, doubled, and cut at so many places."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        before, after = lines[:index], lines[index + 1 :]
        if not line:
            continue
        yield f"without '{line}'", "\n".join(before + after)
        yield f"twice '{line}'", "\n".join([*before, line, line, *after])
        for part in range(1, cuts + 1):
            kept = line[: len(line) * part // (cuts + 1)]
            yield f"cut to '{kept}'", "\n".join([*before, kept, *after])


def assert_no_wrong_success(logs: tuple[Log, ...], damage: str, verdict: Verdict) -> None:
    real = [truth(log) for log in logs]
    assert verdict.mapping in (*real, Mapping.UNCLEAR, Mapping.FAILED), damage
    worst = min(real, key=[Mapping.NOTHING, Mapping.PARTIAL, Mapping.FULL].index)
    order = [Mapping.FAILED, Mapping.UNCLEAR, Mapping.NOTHING, Mapping.PARTIAL, Mapping.FULL]
    assert order.index(verdict.mapping) <= order.index(worst), damage
    counted = verdict.by_table or verdict.mapping is Mapping.PARTIAL
    if len(logs) == 1 and counted and order.index(verdict.mapping) > 1:
        (log,) = logs
        on_edgetpu = log.operations if log.on_edgetpu is None else log.on_edgetpu
        found = (verdict.ops_on_edgetpu, verdict.ops_on_cpu)
        assert found == (on_edgetpu, log.operations - on_edgetpu), damage


@pytest.mark.parametrize("logs", BOTH)
def test_no_damaged_line_makes_a_wrong_success(logs: tuple[Log, ...]) -> None:
    for damage, text in damages(stdout(*logs)):
        assert_no_wrong_success(logs, damage, judge(parse_report(text)))


def test_no_cut_at_any_place_makes_a_wrong_success() -> None:
    for source in ("EfficientDet-Lite0 custom, GitHub id 19256237166",
                   "-m 11 and nothing mapped, edgetpu#358"):  # fmt: skip
        logs = (replace(WITH_TABLES[source][0], search=(267, 257)),)
        for damage, text in damages(stdout(*logs), cuts=60):
            assert_no_wrong_success(logs, damage, judge(parse_report(text)))


@pytest.mark.parametrize("logs", BOTH)
def test_what_ends_early_is_no_success(logs: tuple[Log, ...]) -> None:
    lines = stdout(*logs).splitlines()
    last_count = max(i for i, line in enumerate(lines) if line.startswith("Total number"))
    for end in range(last_count):
        mapping = judge(parse_report("\n".join(lines[:end]))).mapping
        if len(logs) == 1:
            assert mapping in (Mapping.UNCLEAR, Mapping.FAILED)


FAILING = {
    "not quantised, edgetpu#313": (
        ["Invalid model: model.tflite", "Model not quantized"], "not-quantised"),
    "not parsed, edgetpu#845": (
        ["Invalid model: model.tflite", "Model could not be parsed"], "not-parsed"),
    "internal error of 2 to 15, edgetpu#211": (
        ["Internal compiler error. Aborting! "], "internal-error"),
    "version, edgetpu#631": (
        ["ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older version of this"
         " builtin might be supported. Are you using an old TFLite binary with a newer model?",
         "ERROR: Registration failed.", "Invalid model: model.tflite",
         "Model could not be parsed"], "operator-version"),
    "out of range": (
        ["ERROR: Op builtin_code out of range: 150. Are you using old TFLite binary with newer"
         " model?", "ERROR: Registration failed."], "operator-unknown"),
    "overflow, edgetpu#453": (
        ["ERROR: :344 no_integer_overflow_from_quantization was not true.",
         "ERROR: Node number 31 (CONV_2D) failed to prepare.",
         "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be"
         " loaded/run in Tflite interpreter.",
         "Compilation child process completed within timeout period.", "Compilation failed! "],
        "quantisation-overflow"),
    "internal error of 16, edgetpu#778": (
        ["ERROR: Restored original execution plan after delegate application failure.",
         "Compilation failed: Internal error.", "Compilation failed! "], "internal-error"),
    "large activations, edgetpu#449": (
        ["ERROR: Restored original execution plan after delegate application failure.",
         "Compilation failed: Compilation failed due to large activation tensors in model.",
         "Compilation failed! "], "large-activations"),
    "intermediate tensors, edgetpu#778": (
        ["The number of lists given to intermediate_tensors doesn't match the number of input"
         " models."], "intermediate-tensors"),
    "dynamic, edgetpu#586": (
        ["ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph"
         " that has dynamic-sized tensors."], "dynamic-shape"),
    "timer of 16, in no source": (
        ["Compilation child process timed out.", "Compilation failed! "], "timed-out"),
    "custom operator, GitHub id 41093906034": (
        ["ERROR: Encountered unresolved custom op: Atan.",
         "ERROR: Node number 1 (Atan) failed to prepare."], "operator-unknown"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "name"), [pytest.param(*row, id=source) for source, row in FAILING.items()]
)
def test_every_known_failure_is_named_with_a_mend(lines: list[str], name: str) -> None:
    text = "\n".join(["Edge TPU Compiler version 16.0.384591198",
                      "Started a compilation timeout timer of 180 seconds.", *lines])  # fmt: skip
    report = parse_report(text)
    verdict = judge(report)
    assert verdict.mapping is Mapping.FAILED
    assert verdict.cause is not None
    assert verdict.cause.name == name
    assert verdict.cause.meaning
    assert verdict.cause.mend
    assert report.unknown == ()
    for damage, damaged in damages(text):
        assert judge(parse_report(damaged)).mapping is Mapping.FAILED, damage


def test_only_what_was_seen_to_pass_the_second_time_is_tried_again() -> None:
    assert {one.name for one in FAILURES if one.retry} == {"internal-error", "delegate-failed"}
    assert failure_of("Compilation succeeded! ") is None


def test_every_status_is_known_and_an_unknown_one_runs_on_the_cpu() -> None:
    rows = tuple(("CONV_2D", 2, status.text) for status in STATUSES)
    rows += (("CUSTOM", 1, "Mapped to something new"),)
    total = sum(count for _, count, _ in rows)
    model = parse_report(stdout(Log(operations=total, on_edgetpu=2, table=rows))).models[0]
    assert [row.known for row in model.operators[:-1]] == list(STATUSES)
    assert model.operators[-1].known is None
    assert len(unmapped(model)) == len(rows) - 1
    assert judge_model(model).mapping is Mapping.PARTIAL
    assert all(status.meaning for status in STATUSES)
    assert status_of("Mapped to Edge T") is None


def test_a_search_is_known_and_its_failures_are_overcome() -> None:
    report = parse_report(stdout(Log(operations=246, search=(267, 257), on_edgetpu=200)))
    assert (report.timer_s, report.unknown, report.failures) == (180, (), ())
    assert len(report.errors) == 2
    assert judge(report).mapping is Mapping.PARTIAL


def test_the_log_beside_the_model_gives_its_table() -> None:
    log = Log(operations=10, on_edgetpu=8).with_table()
    model = parse_report(log_file(log)).models[0]
    assert (model.input_model, model.output_model) == ("model.tflite", "model_edgetpu.tflite")
    assert [(row.name, row.count, row.status) for row in model.operators] == list(log.table)


FULL = stdout(Log(operations=10).with_table())
SOME = stdout(Log(operations=10, on_edgetpu=8).with_table())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(FULL.replace(MAPPED, CUT, 1), "table maps 5 operations, and its text 10",
                     id="a full text and a partial table"),
        pytest.param(FULL.replace("Model compiled successfully in 1524 ms.", ""),
                     "'compiled successfully' does not stand before", id="no success"),
        pytest.param(FULL.replace("Compilation succeeded! ", ""),
                     "does not end with 'Compilation succeeded!'", id="16 without its last word"),
        pytest.param(re.sub("(RESHAPE +)2", "\\1two", SOME),
                     "table holds 8 operations, and it says", id="a row lost"),
        pytest.param(SOME.replace("CPU: 2", "CPU: 3"), "8 operations on the Edge TPU and 3 on the",
                     id="counts that do not add up"),
        pytest.param(SOME.replace("subgraphs: 1", "subgraphs: 0"),
                     "8 operations on the Edge TPU in 0 subgraphs", id="no subgraph"),
        pytest.param(stdout(Log(operations=10, on_edgetpu=10)), "none runs on the CPU",
                     id="a partial text and a full count"),
        pytest.param(FULL.replace("operations: 10", "operations: 0"), "no operations at all",
                     id="no operations"),
        pytest.param(FULL.replace("subgraphs: 1", "subgraphs: 1\nNumber of Edge TPU subgraphs: 1"),
                     "stands there twice", id="a line twice"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_unclear_and_says_where(text: str, said: str) -> None:
    verdict = judge(parse_report(text))
    assert verdict.mapping is Mapping.UNCLEAR
    assert said in "; ".join(verdict.reasons)
    assert judge(parse_report(FULL)).mapping is Mapping.FULL


def test_a_failure_after_a_success_counts() -> None:
    assert judge(parse_report(f"{FULL}\nCompilation failed! ")).mapping is Mapping.FAILED


def test_unknown_lines_are_kept_as_they_stood() -> None:
    text = stdout(Log()).replace("Operation log", "Somebody's new line: 7\nOperation log")
    report = parse_report(f"WARNING: a container speaks\n{text}")
    assert report.unknown == ("WARNING: a container speaks", "Somebody's new line: 7")
    assert judge(report).mapping is Mapping.FULL


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_read_and_is_no_success(text: str) -> None:
    assert judge(parse_report(text)).mapping in (Mapping.FAILED, Mapping.UNCLEAR)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_noise_between_the_lines_changes_no_verdict(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(sorted(WITH_TABLES)))
    lines = stdout(*WITH_TABLES[source]).splitlines()
    noise = st.from_regex(r"\A[a-z]{1,9}( [a-z]{1,9}){0,5}\Z")
    for _ in range(data.draw(st.integers(1, 5))):
        lines.insert(data.draw(st.integers(0, len(lines))), data.draw(noise))
    report: CompilerReport = parse_report("\n".join(lines))
    expected = judge(parse_report(stdout(*WITH_TABLES[source])))
    assert judge(report) == expected
    assert report.unknown


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_set_of_lost_lines_makes_a_partial_mapping_whole(data: st.DataObject) -> None:
    partial = [source for source, logs in WITH_TABLES.items() if logs[0].on_edgetpu is not None]
    (log,) = WITH_TABLES[data.draw(st.sampled_from(partial))]
    kept = [line for line in stdout(log).splitlines() if data.draw(st.booleans())]
    verdict = judge(parse_report("\n".join(kept)))
    assert not (verdict.by_table and verdict.mapping is Mapping.FULL)
