"""No module of edgescale needs a heavy library to be imported; the device half never sees one."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "edgescale"
HEAVY = ("tensorflow", "keras", "cv2", "pycoral", "tflite_runtime", "ai_edge_litert", "tflite")

BLOCKED = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError(f"{{name}} is blocked in this test")

sys.meta_path.insert(0, Refuse())
for module in {modules!r}:
    importlib.import_module(module)
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & set({heavy!r}))
assert not loaded, loaded
"""


def modules() -> list[str]:
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts).removesuffix(".__init__"))
    return [name for name in names if not name.endswith("__main__")]


def test_every_module_imports_where_no_heavy_library_is() -> None:
    script = BLOCKED.format(heavy=HEAVY, modules=modules())
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert len(modules()) > 30


def test_importing_edgescale_loads_only_itself_and_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import edgescale;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names)), len(sys.modules) - len(before))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    names, count = run.stdout.rsplit(maxsplit=1)
    assert names == "['edgescale']"
    assert int(count) < 40


def test_classify_loads_no_network_before_an_output_needs_it() -> None:
    """On a board of one slow core they would take as long as the model."""
    script = (
        "import sys, edgescale.cli.classify;"
        "print(sorted(sys.modules.keys() & {'asyncio', 'ssl', 'http.client', 'email'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout == "[]\n"
