import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import RuntimeMissing
from edgescale.inference import runtime
from edgescale.inference.runtime import RUNTIMES, choose_runtime, runtime_report

BROKEN = """
class Interpreter:
    def __init__(self, **settings):
        raise SystemError("<built-in method CreateWrapperFromFile> returned NULL _ARRAY_API")

def load_delegate(library, options=None):
    raise OSError(library)
"""


def package(folder: Path, name: str, interpreter: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    (folder / name / "interpreter.py").write_text(interpreter)


def in_child(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Runs code where fake packages stand first on the search path."""
    head = f"import sys; sys.path[:0] = {[*map(str, paths), str(Path.cwd())]!r}\n"
    return subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_litert_comes_first_and_proves_itself() -> None:
    chosen = choose_runtime()
    assert chosen.name == "ai_edge_litert"
    assert chosen.version[0].isdigit()
    assert choose_runtime("ai_edge_litert").interpreter_class is chosen.interpreter_class


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RuntimeMissing, match="did you mean 'tensorflow'"):
        choose_runtime("tensorfow")


def test_a_forced_runtime_that_is_not_installed_is_refused() -> None:
    with pytest.raises(RuntimeMissing, match="tflite_runtime is not installed"):
        choose_runtime("tflite_runtime")


def test_a_runtime_that_imports_but_cannot_run_is_passed_over(tmp_path: Path) -> None:
    package(tmp_path, "ai_edge_litert", "import nothing_of_this_name")
    package(tmp_path, "tflite_runtime", BROKEN)
    package(tmp_path, "tensorflow", "")
    code = (
        "from edgescale.inference.runtime import choose_runtime\n"
        "from edgescale.errors import RuntimeMissing\n"
        "try: choose_runtime()\n"
        "except RuntimeMissing as problem: print(problem)"
    )
    run = in_child(code, tmp_path)
    assert "ai_edge_litert" in run.stdout, run.stderr
    assert "tensorflow" in run.stdout
    assert "pip install ai-edge-litert" in run.stdout


@pytest.mark.skipif(int(np.__version__[0]) < 2, reason="needs numpy 2")
def test_tflite_runtime_with_numpy_2_is_named_with_its_mend(tmp_path: Path) -> None:
    package(tmp_path, "tflite_runtime", BROKEN)
    code = (
        "from edgescale.inference.runtime import choose_runtime\n"
        "from edgescale.errors import RuntimeMissing\n"
        "try: choose_runtime('tflite_runtime')\n"
        "except RuntimeMissing as problem: print(problem)"
    )
    run = in_child(code, tmp_path)
    assert "built for numpy 1" in run.stdout, run.stderr
    assert "pip install 'numpy<2'" in run.stdout
    assert run.stderr == ""


def test_a_runtime_that_computes_wrongly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_PROBE_ANSWER", np.zeros(8, np.int16))
    with pytest.raises(RuntimeMissing, match="computes the probe model wrongly"):
        choose_runtime("ai_edge_litert")


def test_the_report_names_all_and_imports_nothing_needlessly() -> None:
    code = (
        "import json; from edgescale.inference.runtime import runtime_report\n"
        "states = [[s.name, s.usable, s.reason] for s in runtime_report()]\n"
        "print(json.dumps([states, 'tensorflow' in sys.modules]))"
    )
    run = in_child(code)
    states, imported = json.loads(run.stdout)
    assert not imported
    assert [state[0] for state in states] == list(RUNTIMES)
    assert states[0][1] is True
    assert states[2][1] is None
    assert "ai_edge_litert comes first" in states[2][2]


def test_the_report_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "RUNTIMES", ("tflite_runtime", "ai_edge_litert"))
    first, second = runtime_report()
    assert first.usable is False
    assert "not installed" in first.reason
    assert second.usable is True


def test_the_probe_model_is_tiny() -> None:
    assert runtime.PROBE_MODEL.stat().st_size < 2048
