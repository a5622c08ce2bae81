"""Compile reports rebuilt line by line from the grammar of real edgetpu_compiler logs, 2.0 to 16.

The figures are those of logs that people published; the lines between them are the grammar's.
"""

from dataclasses import dataclass, replace

PARTIAL = (
    "Model successfully compiled but not all operations are supported by the Edge TPU. A percentage"
    " of the model will instead run on the CPU, which is slower. If possible, consider updating"
    " your model to use only operations supported by the Edge TPU. For details, visit"
    " g.co/coral/model-reqs."
)
LARGE = "Compilation failed due to large activation tensors in model."
MAPPED = "Mapped to Edge TPU"
CUT = "More than one subgraph is not supported"


@dataclass(frozen=True)
class Log:
    """What one model's report says; None leaves a line out, as the compiler of that time did."""

    version: str = "16.0.384591198"
    name: str = "model"
    input_size: str = "4.24MiB"
    output_size: str = "5.57MiB"
    available: str | None = None
    used: str = "4.21MiB"
    remaining: str | None = "3.29MiB"
    off_chip: str = "0.00B"
    subgraphs: int = 1
    operations: int = 267
    on_edgetpu: int | None = None
    table: tuple[tuple[str, int, str], ...] = ()
    search: tuple[int, ...] = ()

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def with_table(self) -> "Log":
        """Returns it with an operator table as -s prints it."""
        on_edgetpu = self.operations if self.on_edgetpu is None else self.on_edgetpu
        rows = [("CONV_2D", on_edgetpu // 2, MAPPED), ("ADD", on_edgetpu - on_edgetpu // 2, MAPPED),
                ("RESHAPE", self.operations - on_edgetpu, CUT)]  # fmt: skip
        return replace(self, table=tuple(row for row in rows if row[1]))

    def block(self) -> list[str]:
        """Returns the lines about this model."""
        caching = "for caching model parameters"
        lines = ["", f"Input model: {self.name}.tflite", f"Input size: {self.input_size}",
                 f"Output model: {self.name}_edgetpu.tflite",
                 f"Output size: {self.output_size}"]  # fmt: skip
        if self.available is not None:
            lines.append(f"On-chip memory available {caching}: {self.available}")
        lines.append(f"On-chip memory used {caching}: {self.used}")
        if self.remaining is not None:
            lines.append(f"On-chip memory remaining {caching}: {self.remaining}")
        lines += [
            f"Off-chip memory used for streaming uncached model parameters: {self.off_chip}",
            f"Number of Edge TPU subgraphs: {self.subgraphs}",
            f"Total number of operations: {self.operations}",
            f"Operation log: {self.name}_edgetpu.log",
        ]
        if self.on_edgetpu is not None:
            lines += ["", PARTIAL,
                      f"Number of operations that will run on Edge TPU: {self.on_edgetpu}",
                      "Number of operations that will run on CPU:"
                      f" {self.operations - self.on_edgetpu}"]  # fmt: skip
        if not self.table:
            return [*lines, "See the operation log file for individual operation details."]
        return [*lines, "", *table_lines(self.table)]


def table_lines(rows: tuple[tuple[str, int, str], ...]) -> list[str]:
    heading = f"{'Operator':<30} {'Count':<10} Status"
    return [heading, "", *(f"{name:<30} {count:<10} {status}" for name, count, status in rows)]


def stdout(*logs: Log) -> str:
    """Returns what a run over these models prints."""
    first = logs[0]
    lines = [f"Edge TPU Compiler version {first.version}"]
    tried: list[str] = []
    if first.search:
        lines.append("Searching for valid delegate with step 10")
    for ops in first.search:
        tried += [f"Try to compile segment with {ops} ops", "Intermediate tensors: A,B",
                  "Started a compilation timeout timer of 180 seconds.",
                  "ERROR: Restored original execution plan after delegate application failure.",
                  f"Compilation failed: {LARGE}",
                  "Compilation child process completed within timeout period.",
                  "Compilation failed! "]  # fmt: skip
    lines += tried
    if first.major >= 16:
        lines.append("Started a compilation timeout timer of 180 seconds.")
    models = "Model" if len(logs) == 1 else "Models"
    lines += ["", f"{models} compiled successfully in 1524 ms."]
    for log in logs:
        lines += log.block()
    if first.major >= 16:
        lines += ["Compilation child process completed within timeout period.",
                  "Compilation succeeded! "]  # fmt: skip
    return "\n".join(lines) + "\n"


def log_file(log: Log) -> str:
    """Returns the ``.log`` beside the compiled model."""
    lines = [f"Edge TPU Compiler version {log.version}", f"Input: {log.name}.tflite",
             f"Output: {log.name}_edgetpu.tflite", "", *table_lines(log.table)]  # fmt: skip
    return "\n".join(lines) + "\n"


# Real figures. The number of operators on the Edge TPU stands where the source tells of others.
REAL = {
    "EfficientDet-Lite0 custom, GitHub id 19256237166": (Log(on_edgetpu=264),),
    "EfficientDet-Lite0 -s -aaa, public log": (
        Log(input_size="4.35MiB", output_size="5.66MiB", used="4.49MiB", remaining="3.01MiB"),
    ),
    "MobileNetV3Small and conv, edgetpu#572": (
        Log(input_size="4.04MiB", output_size="4.13MiB", used="604.50KiB", remaining="511.50KiB",
            off_chip="3.45MiB", operations=50),
    ),
    "EfficientNet-EdgeTPU-M and -S co-compiled, EdgeTPU-Compiler-Log-Parser": (
        Log(name="m", input_size="7.46MiB", output_size="8.64MiB", remaining="0.00B",
            off_chip="4.16MiB", operations=86),
        Log(name="s", input_size="5.86MiB", output_size="6.79MiB", used="3.20MiB",
            remaining="0.00B", off_chip="3.37MiB", operations=66),
    ),
    "yolov5s-int8, ultralytics/yolov5#3630": (
        Log(input_size="7.31MiB", output_size="7.78MiB", used="7.02MiB", remaining="512.00B",
            off_chip="434.62KiB", operations=229),
    ),
    "yolov7-tiny, WongKinYiu/yolov7#1672": (
        Log(input_size="6.00MiB", output_size="6.47MiB", used="5.90MiB", remaining="1.16MiB",
            off_chip="41.75KiB", operations=246),
    ),
    "EfficientDet-Lite3 segment 0 of 2, edgetpu#671": (
        Log(name="lite3_segment_0_of_2", input_size="5.21MiB", output_size="6.51MiB",
            used="6.02MiB", remaining="1.02MiB", operations=84),
    ),
    "unnamed CNN, edgetpu#427": (
        Log("15.0.340273435", input_size="4.41MiB", output_size="5.49MiB", used="1.92MiB",
            remaining="1.75KiB", off_chip="3.23MiB", operations=136, on_edgetpu=135),
    ),
    "ssd_mobilenet_v2_fpnlite_640, edgetpu#356": (
        Log("15.0.340273435", input_size="4.17MiB", output_size="4.75MiB", used="3.21MiB",
            remaining="3.78MiB", operations=161),
    ),
    "yolov3-tiny, GitHub id 4004381146": (
        Log("15.0.340273435", input_size="8.58MiB", output_size="8.70MiB", used="3.00KiB",
            remaining="7.67MiB", operations=36, on_edgetpu=2),
    ),
    "-m 11 and nothing mapped, edgetpu#358": (
        Log("15.0.340273435", input_size="961.00KiB", output_size="882.00KiB", used="0.00B",
            remaining="0.00B", subgraphs=0, operations=69, on_edgetpu=0),
    ),
    "squeezenet-like -i -s -a, edgetpu#324": (
        Log("15.0.340273435", input_size="1.40MiB", output_size="1.84MiB", used="1.30MiB",
            remaining="6.89MiB", subgraphs=3, operations=25, on_edgetpu=23),
    ),
    "cnn and rnn co-compiled, edgetpu#518": (
        Log("15.0.340273435", name="cnn", input_size="8.00MiB", used="7.16MiB",
            remaining="2.25KiB", off_chip="2.95MiB", operations=313),
        Log("15.0.340273435", name="rnn", input_size="2.97MiB", used="0.00B",
            remaining="2.25KiB", off_chip="4.53MiB", operations=78),
    ),
    "cam-ai custom, edgetpu#211": (
        Log("14.1.317412892", input_size="46.29MiB", output_size="47.24MiB", used="5.99MiB",
            remaining="74.00KiB", off_chip="15.73MiB", operations=108, on_edgetpu=102),
    ),
    "model2, edgetpu#60": (
        Log("2.1.302470888", input_size="8.11MiB", output_size="9.47MiB", used="6.86MiB",
            remaining="7.75KiB", off_chip="1.22MiB", operations=93, on_edgetpu=83),
    ),
    "resnet50, GitHub id 47377261246": (
        Log("2.0.291256449", input_size="25.08MiB", output_size="24.87MiB", available="6.25MiB",
            used="6.25MiB", remaining=None, off_chip="18.43MiB", operations=77),
    ),
    "motion-blur, GitHub id 48066606857": (
        Log("2.0.267685300", input_size="3.03KiB", output_size="296.85KiB", available="1.73MiB",
            used="10.00KiB", remaining=None, operations=3, on_edgetpu=1),
    ),
    "Dense 256, LibrEdgeTPU HARDWARE_ANALYSIS.md": (  # it gives no number of operators
        Log(used="66.00KiB", remaining="7.67MiB", operations=1),
    ),
    "Dense 8192, LibrEdgeTPU HARDWARE_ANALYSIS.md": (
        Log(used="0.00B", remaining="7.88MiB", off_chip="64.00MiB", operations=1),
    ),
}  # fmt: skip
