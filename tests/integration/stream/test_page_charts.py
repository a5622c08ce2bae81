"""Moments of the charts are read in a real browser: by pointer, by keys, as time goes on."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edgescale.stream.web import WebSink
from tests.page_browser import Watching, expect
from tests.watched_run import WatchedRun

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def charted(browser: "Browser", run: WatchedRun, sink: WebSink) -> Iterator[Watching]:
    """A page whose charts hold three moments, a minute apart; in the middle one nothing ran."""
    run.change(uptime_s=380.0, latency_ms=None, fps=None, variant="")
    sink.tick()
    run.change(uptime_s=440.0, latency_ms=(7.5, 9.25, 11.0), fps=12.5, variant="pets-s")
    sink.tick()
    opened = Watching(browser, sink.url, has_touch=True)
    opened.says("#variants .current", "pets-s")
    yield opened
    opened.close()


NEWEST = "Now: median 7.5 ms, p95 9.3 ms, 12.5 results per s, pets-s"
GAP = "1 min 0 s ago: nothing ran"
OLDEST = "2 min 0 s ago: median 14.1 ms, p95 18.9 ms, 24.8 results per s, pets-m"
HINT = re.compile("^Point at a chart")


@pytest.mark.parametrize("chart", ["latency", "fps", "lane"])
def test_a_moment_of_the_charts_is_read_by_pointer(charted: Watching, chart: str) -> None:
    page = charted.page
    box = page.locator(f"#{chart}")
    width = box.evaluate("box => box.clientWidth")
    expect(page.locator("#reading")).to_have_text(HINT)
    for x, said, dots in ((width - 14, NEWEST, 3), (width / 2, GAP, 0), (40, OLDEST, 3)):
        box.hover(position={"x": x, "y": 30})
        charted.says("#reading", said)
        expect(page.locator(".cursor line")).to_have_count(3)  # one moment in all charts
        expect(page.locator(".cursor circle")).to_have_count(dots)
    page.mouse.move(0, 0)
    expect(page.locator("#reading")).to_have_text(HINT)
    expect(page.locator(".cursor line")).to_have_count(0)
    assert charted.complaints == []


def test_what_a_finger_touched_stays_when_it_is_lifted(charted: Watching) -> None:
    charted.page.locator("#latency").tap(position={"x": 40, "y": 30})
    charted.says("#reading", OLDEST)
    charted.page.wait_for_timeout(200)
    charted.says("#reading", OLDEST)


def test_a_moment_of_the_charts_is_read_by_keyboard(charted: Watching) -> None:
    page = charted.page
    slider = page.get_by_role("slider", name="Moment of the charts to read")
    for _ in range(9):
        page.keyboard.press("Tab")
        if slider.evaluate("at => at === document.activeElement"):
            break
    for key, said in (("End", NEWEST), ("ArrowLeft", GAP), ("Home", OLDEST), ("ArrowRight", GAP)):
        page.keyboard.press(key)
        charted.says("#reading", said)
        expect(slider).to_have_attribute("aria-valuetext", said)
    assert page.locator(".charts").evaluate("at => getComputedStyle(at).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    expect(page.locator("#reading")).to_have_text(HINT)
    assert charted.complaints == []


def test_a_moment_that_is_read_stays_while_the_charts_move_on(
    charted: Watching, run: WatchedRun, sink: WebSink
) -> None:
    width = charted.page.locator("#fps").evaluate("box => box.clientWidth")
    charted.page.locator("#fps").hover(position={"x": width - 14, "y": 30})
    charted.says("#reading", NEWEST)
    run.change(uptime_s=452.0, fps=3.0)
    sink.tick()
    charted.says("#reading", NEWEST.replace("Now", "12 s ago"))
    run.change(uptime_s=900.0)  # what was read has left the charts
    sink.tick()
    expect(charted.page.locator("#reading")).to_have_text(HINT)
