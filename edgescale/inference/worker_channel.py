"""The way between a worker and its model in the child: two pipes and the memory of the pictures.

One for each model, also where two share a child, so that neither waits for the other's answers.
"""

import mmap
import os
import select
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.inference import wire
from edgescale.inference.child import anonymous_file

_READ_BYTES = 65_536
_NO_SLOTS = np.empty(0, np.uint8)


class Channel:
    """The parent's end.

    Args:
        shape: of a prepared picture, (height, width, 3).
        dtype: of a prepared picture.

    Attributes:
        slots: the pictures shared with the child, (2, height, width, 3).
        fds: the child's ends by name; to be closed with ``handed_over`` when the child has them.

    Raises:
        OSError: the system has no descriptor or no memory left.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.slots: NDArray[Any] = _NO_SLOTS
        self._own, self._given = ExitStack(), ExitStack()
        self._received = bytearray()
        try:
            size_bytes = wire.SLOTS * int(np.prod(shape)) * dtype.itemsize
            memory = _owned(self._given, anonymous_file(size_bytes))
            requests, self._requests = os.pipe()
            _owned(self._given, requests)
            _owned(self._own, self._requests)
            self._answers, answers = os.pipe()
            _owned(self._given, answers)
            _owned(self._own, self._answers)
            self._poll = select.poll()
            self._poll.register(self._answers, select.POLLIN)
            flat = np.frombuffer(mmap.mmap(memory, size_bytes), dtype)
            self.slots = flat.reshape(wire.SLOTS, *shape)
        except BaseException:
            self.close()
            raise
        self.fds = {"memory": memory, "requests": requests, "answers": answers}

    def handed_over(self) -> None:
        """Closes the child's ends here, so that its death is seen as the end of the answers."""
        self._given.close()

    def send(self, slot: int) -> None:
        """Asks for the picture in a slot.

        Raises:
            OSError: nobody reads.
        """
        os.write(self._requests, bytes([slot]))

    def receive(self, timeout_s: float) -> tuple[int, bytes]:
        """Reads one answer, however the pipe splits it.

        Raises:
            TimeoutError: none came in time.
            EOFError: the child has ended.
            ValueError: it is none.
            OSError: another thread has closed this end.
        """
        deadline = time.monotonic() + timeout_s
        while (answer := wire.take_message(self._received)) is None:
            if not self._poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
                raise TimeoutError
            part = os.read(self._answers, _READ_BYTES)
            if not part:
                raise EOFError
            self._received += part
        return answer

    def close(self) -> None:
        """Gives descriptors and memory back; the model's part of the child then ends."""
        # No descriptors from now on: another thread that waits must not read a file opened later.
        self._requests = self._answers = -1
        self._given.close()
        self._own.close()
        self.slots = _NO_SLOTS  # the shared memory goes with its last view


def _owned(owner: ExitStack, fd: int) -> int:
    owner.callback(os.close, fd)
    return fd
