"""Whether a compile report tells of a success, and of which: facts must say the same twice.

Success text is printed with nothing mapped (edgetpu#358), and a report may have lost a line on its
way. So every count must agree with every other one, and a report that contradicts itself or lacks
what it must hold is unclear, which is no success.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from edgescale.edgetpu.compiler_report import CompilerReport, ModelReport, OperatorRow
from edgescale.edgetpu.compiler_texts import Failure, first_cause

_MOST_TOLD, _LONGEST_TOLD = 3, 300  # lines that nobody knows, and characters of each


class Mapping(Enum):
    """How much of a model the compiler put on the Edge TPU, as far as its report can be trusted."""

    FULL = "wholly mapped"
    PARTIAL = "partly mapped"
    NOTHING = "nothing mapped"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Verdict:
    """What became of the model, the counts, and the reasons where it is no success.

    ``by_table`` says that an operator table confirms the counts.
    """

    mapping: Mapping
    ops_on_edgetpu: int | None = None
    ops_on_cpu: int | None = None
    by_table: bool = False
    reasons: tuple[str, ...] = ()
    cause: Failure | None = None


def judge(report: CompilerReport) -> Verdict:
    """Judges a whole run: the worst of its models or segments."""
    cause = first_cause(report.failures)
    if report.failed or cause is not None or not report.models:
        return Verdict(Mapping.FAILED, reasons=(_why_failed(report, cause),), cause=cause)
    if report.faults:
        return Verdict(Mapping.UNCLEAR, reasons=report.faults)
    if _closes(report) and not report.closed:
        return Verdict(Mapping.UNCLEAR, reasons=("it does not end with 'Compilation succeeded!'",))
    verdicts = [judge_model(model) for model in report.models]
    order = (Mapping.UNCLEAR, Mapping.NOTHING, Mapping.PARTIAL, Mapping.FULL)
    return min(verdicts, key=lambda verdict: order.index(verdict.mapping))


def _closes(report: CompilerReport) -> bool:
    """Says whether the compiler is one that ends with its own word on the outcome, as 16 does."""
    major = int(report.version.split(".")[0]) if report.version is not None else 0
    return major >= 16 or report.timer_s is not None


def _why_failed(report: CompilerReport, cause: Failure | None) -> str:
    if cause is not None:
        return f"{cause.meaning} ({cause.name})"
    said = (*report.errors, *report.unknown)  # the first of them: what follows comes of it
    if said:
        return f"it said: {' / '.join(line[:_LONGEST_TOLD] for line in said[:_MOST_TOLD])}"
    return "it failed without saying why" if report.failed else "it said nothing about a model"


def judge_model(model: ModelReport) -> Verdict:
    """Judges what was said about one model or segment."""
    faults = tuple(_faults(model))
    if faults:
        return Verdict(Mapping.UNCLEAR, reasons=faults)
    total = model.operations or 0
    if model.subgraphs == 0:
        on_edgetpu = 0
    else:
        on_edgetpu = total if model.ops_on_edgetpu is None else model.ops_on_edgetpu
    mapping = Mapping.FULL if on_edgetpu == total else Mapping.PARTIAL
    if on_edgetpu == 0:
        mapping = Mapping.NOTHING
    return Verdict(mapping, on_edgetpu, total - on_edgetpu, bool(model.operators))


def unmapped(model: ModelReport) -> tuple[OperatorRow, ...]:
    """Returns the operators of the table that do not run on the Edge TPU."""
    return tuple(row for row in model.operators if not row.on_edgetpu)


def _faults(model: ModelReport) -> Iterator[str]:
    """Yields what a report lacks or where it contradicts itself."""
    yield from model.faults
    if not model.announced:
        yield "'compiled successfully' does not stand before its figures"
    needed = {"Number of Edge TPU subgraphs": model.subgraphs,
              "Total number of operations": model.operations}  # fmt: skip
    if model.said_partial or model.ops_on_edgetpu is not None or model.ops_on_cpu is not None:
        needed["'not all operations are supported'"] = model.said_partial or None
        needed["operations that will run on Edge TPU"] = model.ops_on_edgetpu
        needed["operations that will run on CPU"] = model.ops_on_cpu
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        yield f"it lacks: {', '.join(missing)}"
    else:
        yield from _contradictions(model)


def _contradictions(model: ModelReport) -> Iterator[str]:
    total = model.operations or 0
    if total == 0:
        yield "it tells of no operations at all"
    if model.ops_on_edgetpu is not None and model.ops_on_cpu is not None:
        if model.ops_on_edgetpu + model.ops_on_cpu != total:
            yield (
                f"{model.ops_on_edgetpu} operations on the Edge TPU and {model.ops_on_cpu} on the"
                f" CPU are not {total}"
            )
        if model.ops_on_cpu == 0:
            yield "not all operations are supported, and none runs on the CPU"
    if bool(model.ops_on_edgetpu) != bool(model.subgraphs) and model.ops_on_edgetpu is not None:
        yield f"{model.ops_on_edgetpu} operations on the Edge TPU in {model.subgraphs} subgraphs"
    if model.operators:
        yield from _table_faults(model, total)


def _table_faults(model: ModelReport, total: int) -> Iterator[str]:
    rows = sum(row.count for row in model.operators)
    if rows != total:
        yield f"its operator table holds {rows} operations, and it says {total}"
    mapped = sum(row.count for row in model.operators if row.on_edgetpu)
    said = model.ops_on_edgetpu
    if said is None:
        said = total if model.subgraphs else 0
    if mapped != said:
        yield f"its operator table maps {mapped} operations, and its text {said}"
