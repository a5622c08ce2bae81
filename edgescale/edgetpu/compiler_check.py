"""Whether the file that edgetpu_compiler wrote agrees with its report and with the model.

The report is the compiler's word and the file is what a device will run: where they differ, neither
can be trusted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgescale.edgetpu.compiler_process import workplace
from edgescale.edgetpu.compiler_report import CompilerReport, ModelReport
from edgescale.edgetpu.compiler_verdict import Verdict, judge
from edgescale.edgetpu.flatbuffer import read_graphs
from edgescale.edgetpu.model_file import ModelFile, TensorSpec, model_file_of, read_model_file
from edgescale.edgetpu.package import CompiledModel, compiled_of
from edgescale.errors import ModelFileError

MODEL = "model.tflite"  # the plain name under which every model is compiled
OUTPUT = "model_edgetpu.tflite"
LARGEST_COMPILED_BYTES = 2**29  # an Edge TPU model of 512 MiB would stream for seconds


class Disagreement(Exception):
    """Two things that the compiler left behind do not say the same."""


@dataclass(frozen=True)
class Output:
    """What a run that succeeded left behind."""

    content: bytes
    model: ModelReport
    verdict: Verdict
    compiled: CompiledModel


def check_output(content: bytes, source: Path, report: CompilerReport) -> Output:
    """Reads the compiled file and holds it against the report and the model.

    Raises:
        Disagreement, ModelFileError: naming what does not agree.
    """
    if len(content) > LARGEST_COMPILED_BYTES:
        raise Disagreement("the compiled file has more than 512 MiB")
    verdict, model = judge(report), report.models[0]
    compiled, twin = _read_back(content)
    faults = [
        *_report_faults(report, verdict),
        *_memory_faults(model, compiled),
        *_operator_faults(model, verdict, compiled),
        *_tensor_faults(read_model_file(source), twin),
    ]
    if faults:
        raise Disagreement("; ".join(faults))
    return Output(content, model, verdict, compiled)


def _read_back(content: bytes) -> tuple[CompiledModel, ModelFile]:
    """Reads these very bytes, in a place that the compiler was never told."""
    with workplace() as folder:
        path = folder / OUTPUT
        path.write_bytes(content)
        try:
            graphs = read_graphs(path)
            compiled = compiled_of(path, graphs)
            if compiled is None:
                raise Disagreement("the compiled file holds no package of the compiler")
            return compiled, model_file_of(path, graphs)
        except ModelFileError as problem:
            said = str(problem).replace(str(path), "the compiled file")
            raise ModelFileError(said) from problem


def _report_faults(report: CompilerReport, verdict: Verdict) -> Iterator[str]:
    if len(report.models) != 1:
        yield f"one model was compiled, and the report tells of {len(report.models)}"
    for said, name in ((report.models[0].input_model, MODEL),
                       (report.models[0].output_model, OUTPUT)):  # fmt: skip
        if said is not None and Path(said).name != name:
            yield f"the report is of '{said}', not of '{name}'"
    if not verdict.by_table:
        yield "neither stdout nor the .log holds an operator table"


def _memory_faults(model: ModelReport, compiled: CompiledModel) -> Iterator[str]:
    for what, printed, found in (
        ("on-chip", model.on_chip_used, compiled.on_chip_bytes),
        ("off-chip", model.off_chip, compiled.streamed_bytes),
    ):
        if printed is not None and not printed.covers(found):
            yield (
                f"the report says {printed.text} {what}, and the compiled file holds {found} bytes"
            )


def _operator_faults(
    model: ModelReport, verdict: Verdict, compiled: CompiledModel
) -> Iterator[str]:
    on_cpu = sum(operator.count for operator in compiled.operators_on_cpu)
    if on_cpu != verdict.ops_on_cpu:
        yield (
            f"the report leaves {verdict.ops_on_cpu} operators to the CPU, and the compiled file"
            f" holds {on_cpu}"
        )
    if len(compiled.packages) != model.subgraphs:
        yield (
            f"the report says {model.subgraphs} Edge TPU subgraphs, and the compiled file holds"
            f" {len(compiled.packages)}"
        )


def _tensor_faults(model: ModelFile, compiled: ModelFile) -> Iterator[str]:
    for what, before, after in (
        ("inputs", model.inputs, compiled.inputs),
        ("outputs", model.outputs, compiled.outputs),
    ):
        if [_facts(spec) for spec in before] != [_facts(spec) for spec in after]:
            yield f"the compiled file has other {what} than the model"


def _facts(spec: TensorSpec) -> tuple[object, ...]:
    return spec.shape, spec.dtype, spec.scales, spec.zero_points
