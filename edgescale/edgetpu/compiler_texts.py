"""Every status and every failure text that edgetpu_compiler is known to print, with what it means.

The compiler says what it did and never why or what to do about it. The texts are quoted from real
logs; each line names where it was seen (google-coral/edgetpu where only a number stands).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """A word of the operator table: where the operators run, what that means, what to do."""

    text: str
    on_edgetpu: bool
    meaning: str
    mend: str


MAPPED = Status("Mapped to Edge TPU", True, "runs on the Edge TPU", "")
STATUSES = (
    MAPPED,
    Status(  # #324, #601
        "More than one subgraph is not supported", False,
        "an operator before it stays on the CPU, and everything after the first cut does too",
        "mend the first operator that does not map, or end the model before it",
    ),
    Status(  # coral.ai/docs/edgetpu/models-intro
        "Operation not supported", False, "the Edge TPU has no such operator",
        "replace the operator; 'edgescale lint' names it",
    ),
    Status(  # #358
        "Operation version not supported", False,
        "the converter wrote a newer version of the operator than this compiler knows",
        "convert with an older TensorFlow, or without what needs the new version",
    ),
    Status(
        "Operation is working on an unsupported data type", False,
        "a tensor of it is not int8 or uint8 (float inputs and outputs stay on the CPU)",
        "quantise the whole model, inputs and outputs too",
    ),
    Status(
        "Operation is otherwise supported, but not mapped due to some unspecified limitation",
        False, "one of its tensors is too large or has a form that the chip cannot hold",
        "make the tensor smaller (a smaller resolution, fewer channels), or replace the operator",
    ),
    # The last two are general knowledge: no log with them was at hand.
    Status(
        "Tensor has unsupported rank (up to 3 innermost dimensions mapped)", False,
        "a tensor has more than three axes that are larger than one",
        "reshape it to three axes or fewer",
    ),
    Status(
        "Filter, bias, or other param is not constant at compile-time", False,
        "its weights are computed while the model runs", "store them as constants in the model",
    ),
)  # fmt: skip
_STATUS_STARTS = {
    "Tensor has unsupported rank": STATUSES[6],  # printed with and without the brackets
}
_STATUS_OF = {status.text: status for status in STATUSES}


def status_of(text: str) -> Status | None:
    """Returns the known status of this text; None for one that nobody has told us about."""
    text = text.strip().rstrip(".")
    for start, status in _STATUS_STARTS.items():
        if text.startswith(start):
            return status
    return _STATUS_OF.get(text)


@dataclass(frozen=True)
class Failure:
    """A way to fail: how to know it, what it means, what to do about it.

    Attributes:
        name: what it is called in reports.
        pattern: found in one line of the compiler's text.
        meaning: what it means.
        mend: what to do.
        retry: try the same once more: only where a file has been seen to fail and then to compile.
        search: let the compiler look for a smaller part that it can compile (-d).
    """

    name: str
    pattern: re.Pattern[str]
    meaning: str
    mend: str
    retry: bool = False
    search: bool = False


def _failure(
    name: str, pattern: str, meaning: str, mend: str, *, again: bool = False, search: bool = False
) -> Failure:
    return Failure(name, re.compile(pattern), meaning, mend, again, search)


_NO_REASON = "the compiler gave up without a reason"
_SMALLER = "try a smaller resolution or fewer channels"
_LINT = "run 'edgescale lint' on the model"
# The more exact texts first: the first of them that is found explains the failure.
FAILURES = (
    _failure(  # #631 CONV_2D 6, #879 QUANTIZE 3, #845 TRANSPOSE_CONV 4
        "operator-version", r"^(ERROR: )?Didn't find op for builtin opcode '.*' version '[0-9]+'",
        "an operator has a newer version than the compiler's TFLite (about 2.5) knows",
        "convert it without what needs that version, or with TensorFlow 2.8 (edgetpu#631)",
    ),
    _failure(
        "operator-unknown",
        r"^(ERROR: )?(Op builtin_code out of range: [0-9]+|Encountered unresolved custom op)",
        "the compiler's TFLite (about 2.5) does not know an operator", f"replace it; {_LINT}",
    ),
    _failure(  # #453
        "quantisation-overflow", r"no_integer_overflow_from_quantization was not true",
        "a scale is so extreme that its product overflows an integer",
        "calibrate with pictures as the model will see them; 'edgescale lint' names the tensor",
    ),
    _failure(  # #586, #654
        "dynamic-shape", r"static-sized tensors with a graph that has dynamic-sized tensors",
        "a tensor has an open dimension", "convert with a fixed batch of 1 and a fixed input size",
    ),
    _failure(  # #313, #168, #222
        "not-quantised", r"^Model not quantized", "the model holds float weights or activations",
        "convert it with full int8 quantisation; 'edgescale lint' names the tensors",
    ),
    _failure(  # #845, #879, #34
        "not-parsed", r"^Model could not be parsed",
        "the compiler's TFLite (about 2.5) cannot read the file",
        "convert it with an older TensorFlow; 'edgescale lint' names the operator",
    ),
    _failure(  # #449, #608, #653
        "large-activations", r"^Compilation failed: .*due to large activation tensors",
        "the tensors between the layers do not fit the chip's memory", _SMALLER, search=True,
    ),
    _failure(  # #453
        "failed-to-prepare", r"failed to prepare\.?$",
        "the compiler's TFLite cannot prepare an operator", _LINT,
    ),
    _failure(
        "registration", r"^(ERROR: )?Registration failed",
        "the compiler's TFLite refuses an operator", _LINT,
    ),
    _failure(
        "interpreter", r"^Compilation failed: Model failed in Tflite interpreter",
        "the compiler's TFLite (about 2.5) cannot run the model",
        f"convert it with an older TensorFlow; {_LINT}",
    ),
    _failure(  # #778
        "intermediate-tensors", r"^The number of lists given to intermediate_tensors",
        "-i needs one list of tensors per model", "give one list in --compiler-args",
    ),
    _failure(  # no log with it was at hand: what 16 says when the timer of -t runs out is a guess
        "timed-out", r"^(ERROR: )?[Cc]ompilation .*(timed out|exceeded .*time|not complete)",
        "the compiler's own timer ran out", "give it more with --timeout",
    ),
    _failure("invalid-model", r"^Invalid model:", "the compiler refuses the file", _LINT),
    _failure(  # 2.0 to 15; #211: two failures, then success on the same file
        "internal-error", r"^Internal compiler error\. Aborting!", _NO_REASON, _SMALLER,
        again=True, search=True,
    ),
    _failure(  # 16; #778
        "internal-error", r"^Compilation failed: Internal error", _NO_REASON, _SMALLER,
        again=True, search=True,
    ),
    _failure(  # #778; also beside more exact texts
        "delegate-failed",
        r"^(ERROR: )?Restored original execution plan after delegate application failure",
        _NO_REASON, _SMALLER, again=True, search=True,
    ),
)  # fmt: skip


_ANY_FAILURE = re.compile("|".join(f"(?:{failure.pattern.pattern})" for failure in FAILURES))


def failure_of(line: str) -> Failure | None:
    """Returns the known failure that a line tells of."""
    if _ANY_FAILURE.search(line) is None:  # one look for nearly every line
        return None
    return next((failure for failure in FAILURES if failure.pattern.search(line)), None)


def first_cause(failures: tuple[Failure, ...]) -> Failure | None:
    """Returns the most exact of several failures: its place in the table says how exact."""
    return min(failures, key=FAILURES.index, default=None)
