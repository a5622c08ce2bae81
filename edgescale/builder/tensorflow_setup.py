"""TensorFlow as the builder needs it: found, quiet, and on one thread.

One thread makes training reproducible to the bit, and one process per core is twice as fast as one
process with two threads. TensorFlow reads the environment when it is imported, so this is the only
place that imports it first.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgescale.errors import BuildError

INSTALL_BUILD = "pip install 'edgescale[build]'"
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",  # a GPU adds in another order, so bits would differ
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # other kernels round otherwise; 1 is the default on x86
}


def require_tensorflow() -> None:
    """Says early, and without importing it, that TensorFlow is missing.

    Raises:
        BuildError: it is not installed.
    """
    if find_spec("tensorflow") is None:
        raise BuildError(
            f"building needs TensorFlow, which is not installed; install it with: {INSTALL_BUILD}"
        )


def set_environment() -> None:
    """Sets what TensorFlow reads, over the user's own: else the same recipe gives other bits."""
    os.environ.update(_ENVIRONMENT)


def import_tensorflow() -> tuple[Any, Any]:
    """Returns the modules ``tensorflow`` and ``keras``, set to one thread and to silence.

    Raises:
        BuildError: TensorFlow is missing or does not work here.
    """
    require_tensorflow()
    set_environment()
    try:
        with silenced():
            import keras
            import tensorflow as tf
    except ImportError as problem:
        raise BuildError(
            f"TensorFlow is installed but cannot be imported ({problem}); install it"
            f" again with: {INSTALL_BUILD}"
        ) from problem
    with contextlib.suppress(RuntimeError):  # already running: a caller chose its own threads
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")
    keras.config.set_image_data_format("channels_last")  # a user's keras.json may say otherwise
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    return tf, keras


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Sends what C++ and Python write to stdout and stderr into nothing, for this block."""
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
                yield
        finally:
            for target, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, target)
                os.close(copy)
