"""The child process of one or two workers, seen from the parent: start, end and last words.

It holds the Edge TPU's lock. Two workers share it where a second variant is loaded beside the
first on one Edge TPU, which two processes cannot use at once; it ends with the last of them.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import ExitStack, suppress
from typing import Any

from edgescale.inference import wire
from edgescale.inference.child import (
    end_process,
    ended_by,
    last_words,
    python_command,
    worker_environment,
)

CHILD_MODULE = "edgescale.inference.worker_process"
_CLOSE_TIMEOUT_S = 1.5  # the child itself leaves after 1 s, also where an interpreter hangs
_REAP_TIMEOUT_S = 2.0  # a large core may have to be written first


class ServingProcess:
    """A started child; every worker that uses it has to ``join`` and to ``leave``.

    Args:
        settings: of the first model; the child's ends of its channel are in it by name.
        fds: the descriptors that the child inherits.
        lock: the descriptor of the Edge TPU's lock, owned from now on; None on the CPU.

    Raises:
        OSError: no process can be started; the lock is free again.
    """

    def __init__(self, settings: dict[str, Any], fds: dict[str, int], lock: int | None) -> None:
        self._guard = threading.Lock()
        self._shares = 0
        self._lock = ExitStack()
        self._resources = ExitStack()
        if lock is not None:
            self._lock.callback(os.close, lock)
            fds = fds | {"lock": lock}
        try:
            self._log = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            self._control, control = socket.socketpair()
            self._resources.enter_context(self._control)
            life, alive = os.pipe()  # nothing is ever written: it ends with this process
            self._resources.callback(os.close, alive)
            with control, os.fdopen(life, "rb"):
                given = fds | {"control": control.fileno(), "life": life}
                self._child = subprocess.Popen(
                    python_command(CHILD_MODULE, settings | given),
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=worker_environment(),
                    pass_fds=list(given.values()),
                )
        except BaseException:
            self._resources.close()
            self._lock.close()
            raise

    @property
    def pid(self) -> int:
        """Returns the child's process id."""
        return self._child.pid

    def join(self) -> None:
        """Counts one more worker."""
        with self._guard:
            self._shares += 1

    def leave(self) -> None:
        """Counts one worker less; the last one ends the child for certain."""
        with self._guard:
            self._shares -= 1
            if self._shares > 0:
                return
            self._control.close()  # the child reads the end of it and leaves
        end_process(self._child, _CLOSE_TIMEOUT_S)
        with self._guard:
            self._resources.close()
            self._lock.close()

    def load(self, settings: dict[str, Any], fds: dict[str, int]) -> None:
        """Asks the child to open another model in a thread of its own.

        Raises:
            OSError: the child has ended.
        """
        request = wire.message(wire.LOAD, json.dumps(settings).encode())
        given = [fds[name] for name in wire.FDS]
        with self._guard:
            self._control.sendall(request[: wire.HEAD_BYTES])
            socket.send_fds(self._control, [request[wire.HEAD_BYTES :]], given)

    def free_edge_tpu(self) -> None:
        """Frees the lock: the child runs on the CPU and has freed its own part."""
        with self._guard:
            self._lock.close()

    def kill(self) -> None:
        """Ends a child that hangs, at once, whoever else uses it."""
        self._child.send_signal(signal.SIGKILL)
        self._reap()

    def ended(self) -> tuple[str | None, str]:
        """Says how the child ended that closed its answers, and its last words in brackets.

        Returns:
            Signal or exit status, None where it has not ended; the words, or nothing.
        """
        how = ended_by(self._child.returncode) if self._reap() else None
        return how, self.last_words()

    def last_words(self) -> str:
        """Returns the last line that the child wrote, in brackets, or nothing."""
        with self._guard:
            return "" if self._log.closed else last_words(self._log)

    def _reap(self) -> bool:
        """Waits for a child that is about to end, and frees the Edge TPU then."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_REAP_TIMEOUT_S)
            with self._guard:
                self._lock.close()
            return True
        return False
