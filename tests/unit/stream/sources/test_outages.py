from edgescale.stream.sources.outages import Counts, Outages


def test_each_outage_is_counted_once_and_lasts_until_a_frame() -> None:
    health = Outages("cam")
    assert health.state == "opening"
    assert health.back(0.0) is None
    assert health.lost("no frame", 10.0)
    assert not health.lost("refused", 11.0)
    seen = health.record(Counts(5, 2), 12.0)
    assert (seen.state, seen.reason, seen.outages, seen.outage_s) == ("lost", "refused", 1, 2.0)
    assert (seen.captured, seen.dropped) == (5, 2)
    assert health.back(13.5) == 3.5
    seen = health.record(Counts(6, 2), 99.0)
    assert (seen.state, seen.reason, seen.outages, seen.outage_s) == ("playing", "", 1, 3.5)


def test_a_clock_set_back_makes_no_negative_outage() -> None:
    health = Outages("cam")
    health.lost("no frame", 10.0)
    assert health.record(Counts(0, 0), 5.0).outage_s == 0
    assert health.back(5.0) == 0


def test_the_end_closes_an_outage_and_stays() -> None:
    health = Outages("cam")
    health.lost("no frame", 10.0)
    health.end(12.0)
    assert not health.lost("again", 13.0)
    seen = health.record(Counts(0, 0), 20.0)
    assert (seen.state, seen.outages, seen.outage_s) == ("ended", 1, 2.0)
