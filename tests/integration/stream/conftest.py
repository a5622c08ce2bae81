"""A watched run, its page, and a browser that shows it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgescale.stream.web import WebSink
from tests.watched_run import WatchedRun

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.page_browser import Watching


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from tests.page_browser import CHROMIUM, playwright

    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def run() -> WatchedRun:
    made = WatchedRun()
    made.show("door", np.full((72, 128, 3), 120, np.uint8))
    return made


@pytest.fixture
def sink(run: WatchedRun) -> Iterator[WebSink]:
    opened = WebSink("127.0.0.1:0", None, run)
    opened.tick()
    yield opened
    opened.close()


@pytest.fixture
def watching(browser: "Browser", sink: WebSink) -> Iterator["Watching"]:
    from tests.page_browser import Watching

    opened = Watching(browser, sink.url)
    yield opened
    opened.close()
