import pytest

from edgescale.device import runtimes
from edgescale.device.runtimes import runtime_here, runtimes_here
from edgescale.errors import RuntimeMissing
from edgescale.inference.worker import WorkerSettings


def test_a_child_process_names_the_runtime_that_works() -> None:
    pytest.importorskip("ai_edge_litert")
    name, version = runtime_here(WorkerSettings())
    assert name == "ai_edge_litert"
    assert version[0].isdigit()
    assert runtimes_here()[0].usable is True


def test_an_unknown_runtime_is_refused_in_the_childs_words() -> None:
    with pytest.raises(RuntimeMissing, match="did you mean 'ai_edge_litert'"):
        runtime_here(WorkerSettings(runtime="ai_edge_lite"))


def test_a_child_that_crashes_is_an_error_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = ["sh", "-c", "kill -SEGV $$"]
    monkeypatch.setattr(runtimes, "python_command", lambda module, settings: crash)
    with pytest.raises(RuntimeMissing, match="SIGSEGV"):
        runtimes_here()
