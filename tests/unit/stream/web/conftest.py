"""A watched run and its page, on loopback and without a token."""

from collections.abc import Iterator

import pytest

from edgescale.stream.web import WebSink
from tests.watched_run import WatchedRun


@pytest.fixture
def run() -> WatchedRun:
    return WatchedRun()


@pytest.fixture
def page(run: WatchedRun) -> Iterator[WebSink]:
    sink = WebSink("127.0.0.1:0", None, run)
    yield sink
    sink.close()
