"""A real Ray cluster of two nodes, with one CPU each, that listens on this machine's loopback only.

    python tools/two_node_ray.py

prints its address, for ``edgescale search coefficients --engine ray --address``, and keeps it until
Enter or Ctrl-C. Tests take ``two_nodes()``.

Not two calls of ``ray start``: for 127.0.0.1 it takes the machine's outward address and listens on
all of them, where anybody may run code; told not to, it refuses a second node.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
_OBJECT_STORE_BYTES = 80_000_000
_END_S = 20.0
_HELD = "--held"  # by ``two_nodes``, which has made its folder


@contextmanager
def two_nodes() -> Iterator[tuple[str, int]]:
    """Runs a cluster for the block, in a process of its own; yields its address and process id.

    The cluster ends with that process, and that process when its input ends: with ours, too.
    """
    with _own_folder() as folder:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).absolute()), _HELD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | _environment(folder),
            )
        with process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().decode().strip()
                if not address:
                    raise RuntimeError((folder / "log").read_text("utf-8", "replace"))
                yield address, process.pid
            finally:
                _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()  # the kernel ends its children with it


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Yields a folder with a short name: a socket's path has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "RAY_TMPDIR": str(folder),  # also where "the cluster of this machine" is noted
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps to the loopback
    }


def hold() -> None:
    """Starts the cluster, prints its address and waits for the end of the input."""
    from ray.cluster_utils import Cluster

    node = {
        "node_ip_address": LOOPBACK,
        "num_cpus": 1,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_log_monitor": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        print(cluster.address, flush=True)
        sys.stdin.readline()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.shutdown()


def main() -> None:
    """Holds a cluster in a folder of its own."""
    with _own_folder() as folder:
        os.environ.update(_environment(folder))
        hold()


if __name__ == "__main__":
    hold() if _HELD in sys.argv else main()
