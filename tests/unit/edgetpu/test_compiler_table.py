"""The operator table of a compile report: rows hard to read, and rows where none belong."""

import pytest

from edgescale.edgetpu.compiler_report import parse_report
from edgescale.edgetpu.compiler_size import parse_size
from edgescale.edgetpu.compiler_texts import STATUSES
from edgescale.edgetpu.compiler_verdict import Mapping, judge
from tests.compiler_logs import CUT, MAPPED, Log, stdout

HEADING = f"{'Operator':<30} {'Count':<10} Status"
WHOLE = stdout(Log(operations=10, table=(("CONV_2D", 10, MAPPED),)))
ROW = next(line for line in WHOLE.splitlines() if line.startswith("CONV_2D"))


def row(name: str, count: int, status: str) -> str:
    return f"{name:<30} {count:<10} {status}"


def test_the_table_stays_open_across_what_nobody_knows() -> None:
    text = WHOLE.replace(
        ROW, f"{ROW}\nWARNING odd line\n{row('SUB', 3, 'Operation not supported')}"
    )
    report = parse_report(text)
    assert [one.name for one in report.models[0].operators] == ["CONV_2D", "SUB"]
    assert report.unknown == ("WARNING odd line",)
    verdict = judge(report)
    assert verdict.mapping is Mapping.UNCLEAR
    assert "table holds 13 operations, and it says 10" in verdict.reasons[0]


@pytest.mark.parametrize("name", ["ADD", "my custom op", "op 3 of 4", "Flex Erf 2"])
@pytest.mark.parametrize("status", [one.text for one in STATUSES])
def test_a_row_is_read_from_its_right_end(name: str, status: str) -> None:
    lines = [row("CONV_2D", 7, MAPPED), f"{name} 3 {status}", row(name, 2, status)]
    found = parse_report(WHOLE.replace(ROW, "\n".join(lines))).models[0].operators
    assert [(one.name, one.count, one.status) for one in found[1:]] == [
        (name, 3, status), (name, 2, status)]  # fmt: skip
    assert all(one.known for one in found)


def test_a_status_that_is_in_no_source_is_a_row_in_its_columns() -> None:
    lines = [row("CONV_2D", 7, MAPPED), row("my op", 2, "New 2 us"), "SUB 1 New 3 us"]
    report = parse_report(WHOLE.replace(ROW, "\n".join(lines)))
    assert [(one.name, one.count, one.status) for one in report.models[0].operators[1:]] == [
        ("my op", 2, "New 2 us"), ("SUB", 1, "New 3 us")]  # fmt: skip
    assert judge(report).mapping is Mapping.UNCLEAR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(WHOLE.replace(HEADING, ""), "stands outside an operator table", id="heading"),
        pytest.param(f"{row('SUB', 3, CUT)}\n{WHOLE}", "outside an operator table", id="before"),
        pytest.param(f"{WHOLE}\n{row('my custom op', 3, CUT)}", "'my custom op", id="after"),
        pytest.param(WHOLE.replace(ROW, ""), "has no row that can be read", id="no row"),
        pytest.param(WHOLE.replace(ROW, "CONV_2D ten Mapped"), "has no row", id="no count"),
    ],
)
def test_rows_without_a_table_and_a_table_without_rows_are_unclear(text: str, said: str) -> None:
    verdict = judge(parse_report(text))
    assert verdict.mapping is Mapping.UNCLEAR
    assert said in "; ".join(verdict.reasons)


def test_only_plain_digits_are_numbers() -> None:
    other = {ord("0") + digit: 0x0660 + digit for digit in range(10)}  # Arabic-Indic
    assert parse_size("4.21MiB") is not None
    assert parse_size("4.21MiB".translate(other)) is None
    report = parse_report(WHOLE.replace("operations: 10", "operations: 10".translate(other)))
    assert report.models[0].operations is None
    assert parse_report(WHOLE.splitlines()[0].translate(other)).version is None


def test_a_line_of_a_million_words_is_read_at_once() -> None:
    report = parse_report(f"{WHOLE}\n{'1 ' * 10**6}\n{'1' + ' ' * 10**6 + 'x'}")
    assert len(report.unknown) == 2


def test_a_failure_quotes_the_first_lines_and_not_the_last() -> None:
    text = "\n".join(["docker: no space left", *(f"at line {n}" for n in range(9)), "See --help"])
    (reason,) = judge(parse_report(text)).reasons
    assert reason == "it said: docker: no space left / at line 0 / at line 1"
