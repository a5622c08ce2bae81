import pytest

from edgescale.selection.heat import Heat, HeatLevel

TRIPS_C = (85.0, 90.0, 95.0)


def level_after(*readings_c: float, trips_c: tuple[float, ...] = TRIPS_C) -> HeatLevel:
    heat = Heat(trips_c)
    for celsius in readings_c:
        heat.read(celsius)
    return heat.level


@pytest.mark.parametrize(
    ("readings_c", "level"),
    [
        ((60.0,) * 6, HeatLevel.COOL),
        ((81.0,) * 6, HeatLevel.WARM),
        ((79.0, 79.5, 80.0, 80.5, 81.0), HeatLevel.RISING),
        ((74.0, 74.5, 75.0, 75.5, 76.0), HeatLevel.COOL),  # rising, but far away
        ((83.0, 82.5, 82.0, 81.5, 81.0), HeatLevel.WARM),
        ((84.0,), HeatLevel.NEAR),
        ((86.0,) * 6, HeatLevel.WARM),  # its effect is in the latencies; the next one is far
        ((88.7,), HeatLevel.NEAR),
        ((99.0,), HeatLevel.WARM),  # nothing more to come
    ],
)
def test_a_trip_point_is_known_before_it_is_reached(
    readings_c: tuple[float, ...], level: HeatLevel
) -> None:
    assert level_after(*readings_c) == level


def test_without_trip_points_no_temperature_is_a_threat() -> None:
    assert level_after(120.0, trips_c=()) == HeatLevel.COOL
