"""TensorFlow on one thread: what makes training repeat to the bit."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.tensorflow

_PROGRAM = """
from edgescale.builder.tensorflow_setup import import_tensorflow
tf, keras = import_tensorflow()
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads(),
      keras.backend.backend())
"""


def test_tensorflow_runs_on_one_thread() -> None:
    # A process of its own: in this one another test may have started TensorFlow before.
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["1", "1", "tensorflow"]
