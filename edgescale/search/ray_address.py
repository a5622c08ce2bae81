"""Where a Ray cluster is looked for, and whether anybody answers there.

Ray itself waits minutes for a cluster that is not there, starts one for some addresses, and turns a
loopback address into another; so what a user gives is looked at before Ray sees it.
"""

import os
import re
import socket
from importlib.util import find_spec

from edgescale.errors import SearchError

INSTALL_RAY = "pip install 'edgescale[ray]'"
_START = "ray start --head --disable-usage-stats"
THIS_MACHINE = "auto"  # as Ray says for: the cluster that runs here
_PATIENCE_S = 3.0
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")


def prepared_address(address: str | None) -> str:
    """Returns the address for Ray, and turns its usage reports off.

    Args:
        address: ``host:port``; None for ``RAY_ADDRESS`` or else the cluster on this machine. An
            empty one is none: it would join whatever cluster there is.

    Raises:
        SearchError: Ray is not installed, or nobody answers at the address.
    """
    if find_spec("ray") is None:
        raise SearchError(
            f"--engine ray needs Ray, which is not installed; install it with: {INSTALL_RAY}"
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    known = os.environ.get("RAY_ADDRESS") or THIS_MACHINE
    wanted = known if address is None else address
    if wanted != THIS_MACHINE:
        _probe(wanted)
    return wanted


def no_cluster(address: str) -> SearchError:
    """Returns the error where Ray finds no cluster at a prepared address."""
    if address == THIS_MACHINE:
        return SearchError(f"no Ray cluster runs on this machine; start one with: {_START}")
    return SearchError(
        f"{address}: no Ray cluster answers of which this machine is a node; give the address that"
        " `ray start --head` printed, on one of its nodes"
    )


def _probe(address: str) -> None:
    """Opens a connection to ``host:port`` and closes it."""
    if "://" in address:
        raise SearchError(
            f"{address}: a search does not go through Ray's client; start it on a node of the"
            " cluster, with the host:port that `ray start --head` prints"
        )
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise SearchError(
            f"'{address}': not the address of a Ray cluster; give host:port, such as 127.0.0.1:6379"
        )
    try:
        where = match["host"].strip("[]"), int(match["port"])
        socket.create_connection(where, _PATIENCE_S).close()
    except (OSError, UnicodeError) as problem:
        raise SearchError(
            f"{address}: no Ray cluster answers ({problem}); start one with: {_START}"
        ) from problem
