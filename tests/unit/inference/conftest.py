"""Tests of workers must not wait for Edge TPUs of other test runs on the same machine."""

import pytest

from tests.edgetpu_double import own_locks

__all__ = ["own_locks"]


@pytest.fixture(autouse=True)
def _own_edge_tpus(own_locks: object) -> None:
    """Uses it in each test."""
