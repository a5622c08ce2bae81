"""The doctor's checks of libedgetpu, the TFLite runtimes, the models and the memory.

Causes: libedgetpu and its releases, the wheels on PyPI, and the reports of their users
(google-coral/edgetpu issues 476 and 812, libedgetpu issue 53).
"""

import re
from collections.abc import Iterator

from edgescale.device.doctor_board import may_be_tried
from edgescale.device.doctor_facts import Facts, ModelFacts, Software
from edgescale.device.doctor_finding import Finding, fine
from edgescale.device.foreign_child import Told
from edgescale.units import MIB, mib

_GET_LIBRARY = (
    "install one that is kept up to date (github.com/feranick/libedgetpu/releases, the file for"
    " this system): sudo apt install ./libedgetpu1-std_*.deb"
)
_REPLUG = (
    "unplug the Edge TPU (or power the machine off), plug it in again and retry; use its own cable"
    " and a port that gives 900 mA"
)
# Google's packages, all built against TensorFlow 2.5 or older, come from Debian 9's compiler; what
# TFLite is since 2.12 no longer fits them, and it cannot be compiled with one that old.
_OLD_BUILD = re.compile(r"COMPILER=([1-7])\.")
_FIRST_UNFIT_TFLITE = (2, 12)
_OF_TENSORFLOW = ("tflite_runtime", "tensorflow")  # versioned like TensorFlow
# A worker with ai-edge-litert and MobileNet v2 holds 66 MiB, the main process about as much.
_LITTLE_MEMORY_BYTES = 150 * MIB
_MOST_LINES = 6


def software_findings(facts: Facts) -> Iterator[Finding]:
    """Yields what was found of library, runtimes, models, trial and memory."""
    yield from _library(facts)
    yield from _unseen(facts)
    yield from _runtime(facts.software)
    yield from _numpy(facts.software)
    yield from _pycoral(facts.software)
    for model in facts.software.models:
        yield _model(model, facts)
    yield from _known_pair(facts)
    yield from _locked(facts)
    yield from _trial(facts)
    yield from _memory(facts)


def _library(facts: Facts) -> Iterator[Finding]:
    library = facts.software.library
    evidence = (library.message,)
    if not library.found:
        if not (facts.has_edge_tpu or facts.wants_edge_tpu):
            yield fine("library", "libedgetpu is not installed; the CPU does not need it.",
                       *evidence)  # fmt: skip
            return
        mend = "name a file that is there with --edgetpu-library, or leave the option out"
        yield Finding(
            "library", "error", f"The Edge TPU library {library.library} is missing.", evidence,
            mend if facts.software.library_named else _GET_LIBRARY,
        )  # fmt: skip
    elif library.refusal is not None:
        yield Finding(
            "library", "error", f"The Edge TPU library {library.library} cannot be loaded.",
            evidence, _refusal_mend(library.refusal, facts.system.machine.architecture),
        )  # fmt: skip
    elif library.crashed is not None:
        yield Finding(
            "library-crash", "error",
            f"The Edge TPU library ends or blocks the process that loads it: {library.crashed}.",
            (*evidence, *_lines(library.said)),
            f"{_REPLUG}; if that does not help, {_GET_LIBRARY}",
        )  # fmt: skip
    elif not library.works:
        mend = "name libedgetpu with --edgetpu-library, or leave the option out"
        yield Finding(
            "library", "error", f"{library.path} is not an Edge TPU library.", evidence,
            mend if facts.software.library_named else _GET_LIBRARY,
        )  # fmt: skip
    else:
        yield fine("library", "The Edge TPU library loads and answers.",
                   *evidence, str(library.version))  # fmt: skip


def _refusal_mend(refusal: str, architecture: str) -> str:
    if "libusb" in refusal:
        return "sudo apt install libusb-1.0-0"
    if "GLIBC" in refusal:
        return f"it was built for a newer system; {_GET_LIBRARY}"
    if "ELF" in refusal or "file too short" in refusal:
        return f"it is no library for {architecture}; {_GET_LIBRARY}"
    return f"install what it needs (ldd names it), or {_GET_LIBRARY}"


def _unseen(facts: Facts) -> Iterator[Finding]:
    """Finds a library that does not list what the kernel has and this user may open."""
    library = facts.software.library
    if not library.works or library.devices or not facts.system.boards:
        return
    system = facts.system
    if not any(may_be_tried(board, system) for board in system.boards):  # which explains it
        return
    yield Finding(
        "not-listed", "error",
        "The kernel has an Edge TPU, but libedgetpu lists none.",
        (library.message, *_lines(library.said)),
        _REPLUG,
    )  # fmt: skip


def _runtime(software: Software) -> Iterator[Finding]:
    tried = tuple(f"{one.name}: {one.reason}" for one in software.runtimes)
    if software.runtime is not None:
        name, version = software.runtime
        yield fine("runtime", f"The TFLite runtime {name} {version} works.", *tried)
        return
    named = software.runtime_named
    what = f"The runtime {named} does not work." if named else "No TFLite runtime works here."
    mend = "pip install ai-edge-litert"
    if named and any(one.usable for one in software.runtimes):
        mend = f"leave --runtime {named} out, or mend it as said above"
    yield Finding("runtime", "error", what, (software.runtime_problem or "", *tried), mend)


def _numpy(software: Software) -> Iterator[Finding]:
    """Finds tflite-runtime that does not run beside numpy 2, or was not tried and may not.

    2.14 was built for numpy 1 and does not; 2.17 does.
    """
    installed = [one for one in software.runtimes if one.name == "tflite_runtime" and one.version]
    if not installed or int(software.numpy_version.partition(".")[0]) < 2:
        return
    tflite = installed[0]
    chosen = None if software.runtime is None else software.runtime[0]
    if tflite.usable or chosen == tflite.name:
        return
    failed = tflite.usable is False
    what = (
        "tflite-runtime does not run here, and many of its builds are for numpy 1 only."
        if failed
        else "tflite-runtime was not tried, and many of its builds do not run beside numpy 2."
    )
    yield Finding(
        "numpy", "error" if failed and chosen is None else "warning", what,
        (f"tflite-runtime {tflite.version}, numpy {software.numpy_version}", tflite.reason),
        "pip install 'numpy<2', or run with ai-edge-litert",
    )  # fmt: skip


def _pycoral(software: Software) -> Iterator[Finding]:
    if software.pycoral.installed and not software.pycoral.google:
        yield Finding(
            "pycoral", "warning",
            "The installed pycoral is not Google's but another project's of the same name.",
            (f"pycoral {software.pycoral.version or '?'}: it has no pycoral/utils/edgetpu.py",),
            "pip uninstall pycoral; edgescale needs none",
        )  # fmt: skip


def _model(model: ModelFacts, facts: Facts) -> Finding:
    if model.problem is not None:
        mend = "copy or compile the model again"
        return Finding("model", "error", "The model cannot be read.", (model.problem,), mend)
    least = model.min_runtime_version
    if least is None:
        return fine("model", f"{model.path} is for the CPU: not compiled for the Edge TPU.")
    has, needs = facts.software.library.runtime_version, f"{model.path} needs runtime {least}"
    if has is None:
        return fine("model", f"{model.path} is compiled for the Edge TPU.", needs)
    evidence = (needs, facts.software.library.message)
    if has >= least:
        return fine("model", f"{model.path} fits the Edge TPU library.", *evidence)
    return Finding(
        "model-runtime", "error",
        f"{model.path} needs a newer Edge TPU library: runtime {least}, this one has {has}.",
        evidence, f"{_GET_LIBRARY}; or compile for the old one: edgetpu_compiler -m {has}",
    )  # fmt: skip


def _known_pair(facts: Facts) -> Iterator[Finding]:
    """Finds a library and a runtime that may crash, where no trial tells whether they do."""
    library, runtime = facts.software.library, facts.software.runtime
    if runtime is None or not library.works or not _OLD_BUILD.search(library.version or ""):
        return
    trial = facts.trial
    crashed = trial is not None and trial.failure is not None
    went_well = trial is not None and not crashed and trial.facts.get("error") is None
    in_use = facts.locked is not None or any(board.runs for board in facts.system.boards)
    if not facts.has_edge_tpu or in_use or crashed or went_well:
        return
    name, version = runtime
    of_tensorflow = name in _OF_TENSORFLOW
    if facts.software.uses_pycoral or (of_tensorflow and _version(version) < _FIRST_UNFIT_TFLITE):
        return
    does = "was seen to" if of_tensorflow else "may"
    yield Finding(
        "known-crash", "warning",
        f"This libedgetpu was built for TensorFlow 2.5 or older, and a runtime as new as {name}"
        f" {version} {does} end the process with a segmentation fault beside it.",
        (str(library.version), f"{name} {version}",
         "google-coral/edgetpu issue 812: tflite-runtime up to 2.11.1 works, 2.12 and newer not"),
        "give doctor a compiled model to try it: edgescale doctor MODEL_edgetpu.tflite; if that"
        f" crashes, {_GET_LIBRARY}",
    )  # fmt: skip


def _locked(facts: Facts) -> Iterator[Finding]:
    if facts.locked is not None and facts.trial is None:
        what = "The Edge TPU is in use by edgescale, as it should be; so it was not tried."
        yield fine("busy", what, facts.locked)


def _trial(facts: Facts) -> Iterator[Finding]:
    trial = facts.trial
    if trial is None:
        return
    software = facts.software
    runtime = "pycoral" if software.uses_pycoral else " ".join(software.runtime or ("?",))
    library = software.library.path or software.library.library
    evidence = (f"{library} with {runtime}", *_lines(trial.stderr))
    if trial.failure is not None:
        end = f"{trial.failure} while {trial.facts.get('step', 'starting')}"
        yield _broken(f"{library} and {runtime}", end, trial)
    elif trial.facts.get("error") is None:
        ran = trial.facts.get("ran")
        what = f"{ran} runs on the Edge TPU." if ran else "The Edge TPU's delegate loads."
        yield fine("delegate", what, evidence[0])
    elif trial.facts.get("kind") == "ModelFileError":
        mend = "give another model, or mend this one as said"
        what = "The Edge TPU's delegate loads, but edgescale cannot use this model."
        yield Finding("model", "error", what, (str(trial.facts["error"]),), mend)
    elif facts.has_edge_tpu:
        what = "The Edge TPU cannot be used, though nothing else here explains it."
        nothing_said = trial.facts.get("kind") == "EdgeTpuNotFound"
        text = "Failed to load delegate" if nothing_said else str(trial.facts["error"])
        yield Finding("delegate", "error", what, (text, *evidence), _REPLUG)


def _broken(pair: str, end: str, trial: Told) -> Finding:
    """Tells a crash of libedgetpu over its USB cable from one over its runtime, and a hang."""
    evidence = (pair, *_lines(trial.stderr))
    if "usb" in trial.stderr.lower() and "transfer" in trial.stderr:
        what = f"The connection to the Edge TPU on USB failed: {end}."
        return Finding("usb-transfer", "error", what, evidence, _REPLUG)
    if end.startswith("no answer"):
        what = f"The Edge TPU hangs: {end}."
        return Finding("delegate-hang", "error", what, evidence, _REPLUG)
    what = f"{pair} crash together: {end}."
    mend = f"use a libedgetpu built for this runtime: {_GET_LIBRARY}; or another --runtime"
    return Finding("delegate-crash", "error", what, evidence, mend)


def _memory(facts: Facts) -> Iterator[Finding]:
    machine = facts.system.machine
    if machine.memory_available_bytes >= _LITTLE_MEMORY_BYTES:
        return
    limits = (
        f"{limit.group}: limit {mib(limit.limit_bytes)}, used {mib(limit.used_bytes)}"
        for limit in machine.memory_limits
    )
    yield Finding(
        "memory", "warning", "There is little memory left: a worker may be killed.",
        (f"available {mib(machine.memory_available_bytes)}, wanted {mib(_LITTLE_MEMORY_BYTES)}",
         *limits),
        "end other programs, raise the container's limit, or give select a --memory-budget",
    )  # fmt: skip


def _version(text: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _lines(text: str) -> tuple[str, ...]:
    """Returns the last lines that say something; TFLite greets with ``INFO:``."""
    lines = [line.strip() for line in text.splitlines()]
    return tuple(line for line in lines if line and not line.startswith("INFO:"))[-_MOST_LINES:]
