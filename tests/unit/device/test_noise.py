from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.device.noise import Reading, judge_noise
from edgescale.device.probe import Pressure
from edgescale.device.profile import Measurement, Noise
from tests.fakes import fake_family, measured

QUIET = Pressure(0.0, 0, 0.1)
COOL = Reading(QUIET, 41.0, 0.0)
AFTER = Reading(Pressure(3.0, 100_000, 0.5), 62.0, 1.0)


def judged(
    before: Pressure = QUIET,
    after: Pressure = AFTER.pressure,
    *,
    governor: str | None = "performance",
    clock_mhz: tuple[float | None, float | None] = (1500.0, 1500.0),
    figures: tuple[Measurement, ...] = (),
) -> Noise:
    return judge_noise(
        replace(COOL, pressure=before),
        replace(AFTER, pressure=after),
        cores=2,
        governor=governor,
        clock_mhz=clock_mhz,
        figures=figures,
    )


@pytest.mark.parametrize(
    ("before", "after", "flagged"),
    [
        pytest.param(QUIET, Pressure(3.0, 100_000, 0.5), False, id="quiet"),
        pytest.param(Pressure(50.0, 0, 0.1), Pressure(3.0, 100_000, 0.5), True, id="busy before"),
        pytest.param(QUIET, Pressure(9.0, 600_000, 3.0), True, id="busy during"),
        pytest.param(Pressure(None, None, 0.1), Pressure(None, None, 1.0), False, id="no PSI"),
        pytest.param(Pressure(None, None, 4.0), Pressure(None, None, 4.0), True, id="high load"),
        pytest.param(Pressure(None, None, None), Pressure(None, None, None), False, id="unknown"),
    ],
)
def test_other_work_is_judged_by_what_the_machine_says(
    before: Pressure, after: Pressure, flagged: bool
) -> None:
    assert judged(before, after).noisy is flagged


@pytest.mark.parametrize(
    ("clock_mhz", "flagged"),
    [
        ((1500.0, 1430.0), False),
        ((1500.0, 1420.0), True),
        ((1500.0, None), False),
        ((None, None), False),
    ],
)
def test_a_clock_that_falls_by_more_than_a_twentieth_is_throttled(
    clock_mhz: tuple[float | None, float | None], flagged: bool
) -> None:
    noise = judged(clock_mhz=clock_mhz)
    assert noise.noisy is flagged
    if flagged:
        assert "throttled: the CPU's clock fell from 1500 to 1420 MHz" in noise.flags[0]
        assert "62 C" in noise.flags[0]


@pytest.mark.parametrize(
    ("governor", "flagged"),
    [("performance", False), ("schedutil", False), (None, False), ("ondemand", True)],
)
def test_a_slow_governor_is_a_doubt(governor: str | None, flagged: bool) -> None:
    assert judged(governor=governor).noisy is flagged


def test_latencies_in_stretches_are_named(tmp_path: Path) -> None:
    first, second = fake_family(tmp_path, {"a": 1, "b": 2}).manifest.variants
    stretches = [10.0 + index // 25 % 2 for index in range(200)]
    noise = judged(figures=(measured(first, latencies_ms=stretches), measured(second)))
    assert noise.autocorrelation_max == pytest.approx(0.925)
    (flag,) = noise.flags
    assert "latencies of a come in slow and fast stretches" in flag


def test_keeps_what_it_read() -> None:
    noise = judged(clock_mhz=(1500.0, 1490.0))
    assert (noise.temperature_before_c, noise.temperature_after_c) == (41.0, 62.0)
    assert (noise.cpu_mhz_before, noise.cpu_mhz_after) == (1500.0, 1490.0)
    assert noise.psi_during_percent == pytest.approx(10.0)
    assert noise.flags == ()
