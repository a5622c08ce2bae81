"""What the page leaves out of its time line, and how it says that too many are watching."""

from edgescale.stream.web import WebSink
from tests.page_browser import Watching, expect
from tests.watched_run import WatchedRun


def test_the_time_line_marks_what_happened_to_the_run_and_not_who_came_by(
    watching: Watching, run: WatchedRun, sink: WebSink
) -> None:
    watching.says("#status", "Live")
    run.happened("restarted", "the worker, long before the charts begin", ago_s=200.0)
    run.happened("entered", "cat came", "door", ago_s=9.0)
    run.happened("switched", "changed to pets-s", ago_s=6.0)
    run.happened("left", "cat went", "door", ago_s=3.0)
    sink.tick()
    expect(watching.page.locator("#events li")).to_have_count(4)
    expect(watching.page.locator("#lane .mark")).to_have_count(1)
    expect(watching.page.locator("#lane .mark title")).to_have_text("changed to pets-s")
    assert watching.complaints == []


def test_it_warns_when_too_many_are_watching_and_follows_when_there_is_room(
    watching: Watching,
) -> None:
    watching.says("#status", "Live")
    watching.page.route("**/events", lambda route: route.fulfill(status=503))
    watching.page.reload()
    watching.says("#status", "Too many are watching, retrying")
    watching.says("#veil", "Too many are watching this run. Trying again.")
    expect(watching.page.locator("#status")).to_have_class("status warn")
    watching.page.unroute("**/events")
    watching.says("#status", "Live")
    expect(watching.page.locator("#status")).to_have_class("status good")
