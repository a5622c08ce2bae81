"""What edgetpu_compiler (2.0 to 16) says on stdout and in its ``.log``, line by line, as records.

The phrase "compiled successfully" is printed where nothing was mapped too (edgetpu#358), lines are
left out where they would say 0, and each value has a unit of its own. So nothing is concluded here:
an absent line is None, a doubled one a fault, an unknown one is kept. ``compiler_verdict`` judges.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgescale.edgetpu.compiler_size import PrintedSize, parse_size
from edgescale.edgetpu.compiler_texts import (
    STATUSES,
    Failure,
    Status,
    failure_of,
    status_of,
)

VERSION = re.compile(r"Edge TPU Compiler version ([0-9]{1,4}(?:\.[0-9]{1,12}){1,4})")
_COUNT = re.compile(r"[0-9]{1,9}")
_LONGEST_QUOTED = 200
_COLUMN_GAP = re.compile(r"\s{2,}")
_HEADING = re.compile(r"Operator\s+Count\s+Status")
_COMPILED = re.compile(r"(Models?) compiled successfully in ([0-9]{1,12}) ms[.!]?")


@dataclass(frozen=True)
class OperatorRow:
    """A row of the operator table; ``known`` is None for a status that is in no source."""

    name: str
    count: int
    status: str
    known: Status | None

    @property
    def on_edgetpu(self) -> bool:
        """Whether these operators run on the Edge TPU; an unknown status counts as no."""
        return self.known is not None and self.known.on_edgetpu


@dataclass(frozen=True)
class ModelReport:
    """What was said about one model or segment; None where a line was absent.

    ``announced`` says whether "compiled successfully" stood before it, ``faults`` what is wrong
    with the text itself (a line twice).
    """

    announced: bool = False
    input_model: str | None = None
    input_size: PrintedSize | None = None
    output_model: str | None = None
    output_size: PrintedSize | None = None
    on_chip_available: PrintedSize | None = None
    on_chip_used: PrintedSize | None = None
    on_chip_remaining: PrintedSize | None = None
    off_chip: PrintedSize | None = None
    subgraphs: int | None = None
    operations: int | None = None
    operation_log: str | None = None
    said_partial: bool = False
    ops_on_edgetpu: int | None = None
    ops_on_cpu: int | None = None
    operators: tuple[OperatorRow, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompilerReport:
    """All that one run of the compiler said.

    Attributes:
        version: of the compiler, e.g. ``16.0.384591198``.
        compile_ms: what the compiler says it took, each time it says so.
        models: one block per model or segment.
        failed: it said that it failed, after the last thing that it compiled.
        closed: it ended with "Compilation succeeded!", as 16 does.
        failures: known failure texts since the last "compiled successfully"; a search for a
            smaller part goes through many before it.
        errors: lines of the compiler's TFLite interpreter, ``ERROR: ...``.
        timer_s: of the compiler's own timer.
        faults: what is wrong with the text and belongs to no model for certain.
        unknown: lines that fit nothing known, as they stood.
    """

    version: str | None = None
    compile_ms: tuple[int, ...] = ()
    models: tuple[ModelReport, ...] = ()
    failed: bool = False
    closed: bool = False
    failures: tuple[Failure, ...] = ()
    errors: tuple[str, ...] = ()
    timer_s: int | None = None
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _name(text: str) -> str | None:
    return text or None


_ON_CHIP = "On-chip memory {} for caching model parameters"
# What a line of a block begins with: the field it fills, and how its value is read.
_BLOCK_LINES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "Input model": ("input_model", _name),
    "Input size": ("input_size", parse_size),
    "Output model": ("output_model", _name),
    "Output size": ("output_size", parse_size),
    _ON_CHIP.format("available"): ("on_chip_available", parse_size),
    _ON_CHIP.format("used"): ("on_chip_used", parse_size),
    _ON_CHIP.format("remaining"): ("on_chip_remaining", parse_size),
    "Off-chip memory used for streaming uncached model parameters": ("off_chip", parse_size),
    "Number of Edge TPU subgraphs": ("subgraphs", _count),
    "Total number of operations": ("operations", _count),
    "Operation log": ("operation_log", _name),
    "Number of operations that will run on Edge TPU": ("ops_on_edgetpu", _count),
    "Number of operations that will run on CPU": ("ops_on_cpu", _count),
    "Input": ("input_model", _name),  # of the .log
    "Output": ("output_model", _name),
}
_OPENS = ("Input model", "Input")  # the first line of a block
_PARTIAL = "Model successfully compiled but not all operations are supported"
_SAYS_NOTHING = (
    "See the operation log file for individual operation details.",
    "Compilation child process completed within timeout period.",
)
_TIMER = re.compile(r"Started a compilation timeout timer of ([0-9]{1,9}) seconds\.")
_SEARCHES = re.compile(
    r"Searching for valid delegate with step [0-9]{1,9}"
    r"|Try to compile segment with [0-9]{1,9} ops|Intermediate tensors:.*"
)
_LONGEST_STATUS_WORDS = max(len(status.text.split()) for status in STATUSES)


def parse_report(text: str) -> CompilerReport:
    """Reads what the compiler printed, or its ``.log``; never fails, whatever the text is."""
    reader = _Reader()
    for line in text.splitlines():
        reader.take(line.strip())
    return reader.report()


@dataclass
class _Block:
    announced: bool
    values: dict[str, Any] = field(default_factory=dict)
    rows: list[OperatorRow] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def put(self, name: str, value: object, line: str) -> None:
        if name in self.values:
            self.faults.append(
                f"'{line[:_LONGEST_QUOTED]}' stands there twice or belongs to another model"
            )
        self.values[name] = value

    def report(self) -> ModelReport:
        values = {name: value for name, value in self.values.items() if name != "heading"}
        if "heading" in self.values and not self.rows:
            self.faults.append("the operator table has no row that can be read")
        return ModelReport(
            announced=self.announced,
            operators=tuple(self.rows),
            faults=tuple(self.faults),
            **values,
        )


def _row(line: str) -> OperatorRow | None:
    """Reads a row from its right end, since the name of a custom operator may hold blanks.

    A status that is in no source is told from other text by the columns, or by a name of one word.
    """
    words = line.split()
    for place in range(len(words) - 2, max(0, len(words) - 2 - _LONGEST_STATUS_WORDS), -1):
        if _COUNT.fullmatch(words[place]) and (known := status_of(" ".join(words[place + 1 :]))):
            name, status = " ".join(words[:place]), " ".join(words[place + 1 :])
            return OperatorRow(name, int(words[place]), status, known)
    for columns in (_COLUMN_GAP.split(line), line.split(maxsplit=2)):
        if len(columns) == len(("name", "count", "status")) and _COUNT.fullmatch(columns[1]):
            return OperatorRow(columns[0], int(columns[1]), columns[2], status_of(columns[2]))
    return None


class _Reader:
    """Takes the lines one by one; what a table's row means depends on its heading before it."""

    def __init__(self) -> None:
        self._version: str | None = None
        self._compile_ms: list[int] = []
        self._failed = False
        self._closed = False
        self._failures: list[Failure] = []
        self._errors: list[str] = []
        self._faults: list[str] = []
        self._timer_s: int | None = None
        self._unknown: list[str] = []
        self._blocks: list[_Block] = []
        self._announced = 0  # blocks that a "compiled successfully" still stands for
        self._in_table = False

    def report(self) -> CompilerReport:
        return CompilerReport(
            version=self._version,
            compile_ms=tuple(self._compile_ms),
            models=tuple(block.report() for block in self._blocks),
            failed=self._failed,
            closed=self._closed,
            failures=tuple(self._failures),
            errors=tuple(self._errors),
            timer_s=self._timer_s,
            faults=tuple(self._faults),
            unknown=tuple(self._unknown),
        )

    def take(self, line: str) -> None:
        if not line:
            return
        if self._take_outcome(line) or self._take_search(line) or self._take_block(line):
            self._in_table = bool(_HEADING.fullmatch(line))
        elif not self._take_row(line):  # what nobody knows may stand within a table
            self._take_trouble(line)

    def _take_row(self, line: str) -> bool:
        row = None if line.startswith("ERROR") else _row(line)
        if row is None:
            return False
        if self._in_table:
            self._blocks[-1].rows.append(row)
            return True
        if row.known is not None:  # its heading is lost, or another table's end
            self._faults.append(f"'{line[:_LONGEST_QUOTED]}' stands outside an operator table")
        return row.known is not None

    def _take_outcome(self, line: str) -> bool:
        if match := VERSION.fullmatch(line):
            self._version = match[1]
        elif match := _COMPILED.fullmatch(line):
            self._announced = 10**9 if match[1] == "Models" else max(1, self._announced)
            self._compile_ms.append(int(match[2]))
            self._failures, self._failed, self._closed = [], False, False
        elif line == "Compilation succeeded!":
            self._closed = True
        elif line == "Compilation failed!":
            self._failed = True
        else:
            return line in _SAYS_NOTHING
        return True

    def _take_search(self, line: str) -> bool:
        if match := _TIMER.fullmatch(line):
            self._timer_s = int(match[1])
        return match is not None or _SEARCHES.fullmatch(line) is not None

    def _take_block(self, line: str) -> bool:
        start, colon, value = line.partition(":")
        if colon and start in _BLOCK_LINES:
            return self._take_field(start, value.strip(), line)
        if not self._blocks:
            return False
        if _HEADING.fullmatch(line):
            self._blocks[-1].put("heading", True, line)
        elif line.startswith(_PARTIAL):
            self._blocks[-1].put("said_partial", True, line[: len(_PARTIAL)])
        else:
            return False
        return True

    def _take_field(self, start: str, text: str, line: str) -> bool:
        name, read = _BLOCK_LINES[start]
        value = read(text)
        if value is None:  # cut off, or a form nobody has told us about
            return False
        if start in _OPENS:
            self._blocks.append(_Block(announced=self._announced > 0))
            self._announced -= 1
        if not self._blocks:
            return False
        self._blocks[-1].put(name, value, line)
        return True

    def _take_trouble(self, line: str) -> None:
        failure = failure_of(line)
        if failure is not None:
            self._failures.append(failure)
        if line.startswith("Compilation failed:"):
            self._failed = True
        if line.startswith("ERROR:"):
            self._errors.append(line)
        elif failure is None:
            self._unknown.append(line)
