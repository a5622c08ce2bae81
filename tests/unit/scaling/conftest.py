"""What the scans of every thousandth of phi need, against which solving is held."""

from collections.abc import Iterator
from functools import lru_cache

import pytest

from edgescale.architecture.cost import Cost, bounded_cost
from edgescale.architecture.network import Architecture, laid_out
from edgescale.scaling import variant


@pytest.fixture(scope="module")
def remembered() -> Iterator[None]:
    """Lets ``scale`` remember what it computes of equal networks, so that a scan is affordable."""
    costs: dict[int, tuple[Architecture, Cost]] = {}

    def cost(net: Architecture) -> Cost:
        if id(net) not in costs:  # the network is kept, so no other can get its id
            costs[id(net)] = (net, bounded_cost(net))
        return costs[id(net)][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant, "bounded_cost", cost)
        patch.setattr(variant, "laid_out", lru_cache(None)(laid_out))
        yield
