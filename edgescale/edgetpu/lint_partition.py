"""Which operators of a graph end up in the one part that the compiler gives to the Edge TPU.

As TFLite divides a graph for a delegate (tensorflow/lite/graph_info.cc): it walks the operators in
the file's order and takes, as long as inputs are there, all of one kind (for the Edge TPU or not),
then all of the other kind, and so on. The compiler compiles the first Edge TPU part only and
reports the later ones as "More than one subgraph is not supported". So operators before the first
part (a float input's QUANTIZE) stay on the CPU, branches that need no cut operator still map, and
everything that depends on a cut operator runs on the CPU.
"""

from collections import defaultdict, deque
from collections.abc import Sequence

from edgescale.edgetpu.flatbuffer import Graph


def first_part(graph: Graph, mappable: Sequence[bool]) -> frozenset[int]:
    """Returns the indices of the operators that run on the Edge TPU.

    Operators that wait for themselves (a damaged file may hold a cycle) are never reached.

    Args:
        graph: what is divided.
        mappable: for each operator, whether the Edge TPU takes it.
    """
    waiting, users = _dependencies(graph)
    ready = deque(index for index, needed in enumerate(waiting) if needed == 0)
    if ready and not mappable[ready[0]]:  # the first part is the CPU's
        _, ready = _run(ready, waiting, users, kind=[not good for good in mappable])
    done, _ = _run(ready, waiting, users, kind=list(mappable))
    return frozenset(done)


def _run(
    ready: deque[int], waiting: list[int], users: dict[int, list[int]], *, kind: Sequence[bool]
) -> tuple[list[int], deque[int]]:
    """Runs all operators of a kind that can run; returns them and those that now wait."""
    done: list[int] = []
    left: deque[int] = deque()
    while ready:
        index = ready.popleft()
        if not kind[index]:
            left.append(index)
            continue
        done.append(index)
        for user in users.get(index, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    return done, left


def _dependencies(graph: Graph) -> tuple[list[int], dict[int, list[int]]]:
    """Returns how many operators each one waits for, and which wait for each one."""
    producers = {
        tensor: index
        for index, operator in enumerate(graph.operators)
        for tensor in operator.outputs
        if tensor >= 0
    }
    waiting: list[int] = []
    users: dict[int, list[int]] = defaultdict(list)
    for index, operator in enumerate(graph.operators):
        needed = {producers[tensor] for tensor in operator.inputs if tensor in producers}
        waiting.append(len(needed))
        for producer in needed:
            users[producer].append(index)
    return waiting, users
