"""The generated reader of the TFLite schema, which ai_edge_litert carries.

In a file of its own, because a broken ai_edge_litert must be told apart from a damaged model.
"""

from typing import Any

from edgescale.errors import RuntimeMissing


def generated_schema() -> Any:
    """Imports the generated reader.

    Raises:
        RuntimeMissing: the package that carries it is missing or broken.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except (ImportError, AttributeError, SystemError, OSError) as problem:
        raise RuntimeMissing(
            f"ai_edge_litert, which reads .tflite files, cannot be imported ({problem}); install it"
            " with 'pip install --force-reinstall ai-edge-litert'"
        ) from problem
    return schema_py_generated
