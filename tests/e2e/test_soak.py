"""A minute of ``tools/soak_live.py`` with faults, and that the soak would see what it looks for."""

import argparse
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edgetpu_double import needs_compiler
from tools.bench_live_scene import DATA
from tools.soak_live import Run, Samples, report
from tools.soak_live_faults import Fault, Heard, planned

ROOT = Path(__file__).parents[2]
SEED = 32  # of the faults: a stall beyond the read timeout, a closing, garbage and a restart
PICTURE_MIB = 640 * 480 * 3 / 2**20
STALL = Fault(15.0, "stall", 6.0)


@needs_compiler
@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "coral").is_dir(), reason=f"no Coral models in {DATA} (EDGESCALE_TEST_DATA)"
)
def test_a_minute_with_faults_loses_track_of_nothing_and_does_not_grow() -> None:
    orders = [one.order for one in planned(4, 60, SEED)]
    assert orders == ["stall", "resume", "close_clients", "garbage", "restart 0.5"]
    done = subprocess.run(
        [sys.executable, "tools/soak_live.py", "--seconds", "60", "--size", "480p",
         "--faults", "4", "--seed", str(SEED)],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISSED" not in done.stdout
    results = re.search(r"(\d+) results,", done.stdout)
    assert results is not None
    assert int(results[1]) > 100
    told = re.search(r"4 faults, (\d+) outages told, (\d+) ends of them", done.stdout)
    assert told is not None
    assert int(told[1]) == int(told[2]) >= 3
    assert "3 faults that must be outages, 3 were" in done.stdout
    descriptors = re.search(r"descriptors: (\d+) to (\d+) ", done.stdout)
    assert descriptors is not None
    assert int(descriptors[2]) <= int(descriptors[1])


def quiet_run(grows_mib: float = 0.0, grows_fds: int = 0) -> Run:
    """Returns half a minute of a run that is well, but for what grows."""
    at_s = [0.5 * number for number in range(60)]
    mib = [60 + grows_mib * one / 29.5 + 0.01 * (place % 3) for place, one in enumerate(at_s)]
    fds = [20 + grows_fds * (one > 15) - (one == 20.0) for one in at_s]
    heard = Heard(results=700, lost_at_s=[20.0], back_at_s=[21.5], away_s=6.5, summary=(1, 6.5))
    return Run(heard, Samples(at_s, mib, mib, fds), [(15.0, STALL)], 143)


def judged(run: Run) -> int:
    return report(argparse.Namespace(seconds=60.0, faults=1, size="480p"), run)


def test_a_run_that_is_well_passes() -> None:
    assert judged(quiet_run()) == 0
    held = quiet_run(grows_mib=0.2)
    for place in range(40, 60):
        held.samples.private_mib[place] += 3 * PICTURE_MIB
    held.samples.private_mib[10] -= 3 * PICTURE_MIB
    held.samples.descriptors[10] -= 1
    assert judged(held) == 0  # pictures held for a moment, and none in an outage, are no growth


@pytest.mark.parametrize("grown", [quiet_run(grows_mib=5.0), quiet_run(grows_fds=1)])
def test_growth_is_seen(grown: Run) -> None:
    assert judged(grown) == 1


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (Heard(700, summary=(0, 0.0)), "1 faults that must be outages, 0 were  MISSED"),
        (Heard(700, 0, 0, [9.0], [14.0], 5.0, (1, 5.0)), "must be outages, 0 were  MISSED"),
        (Heard(700, 0, 0, [20.0], [], 0.0, (1, 6.5)), "1 outages told, 0 ends of them  MISSED"),
        (Heard(700, 0, 0, [20.0], [21.5], 6.5, (0, 0.0)), "the summary counts 0 outages"),
        (Heard(700, 0, 0, [20.0], [21.5], 6.5, (1, 1.5)), "outages of 1.5 s, the events 1 of 6.5"),
        (Heard(700, 0, 0, [20.0], [21.5], 6.5, None), "the summary counts -1 outages"),
    ],
)
def test_an_outage_that_is_not_told_or_not_counted_is_seen(
    heard: Heard, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = quiet_run()
    run.heard = heard
    assert judged(run) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if why in line]
    assert line.endswith("MISSED")


def test_it_hears_results_outages_and_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        {"index": 0},
        {"event": "source-lost", "text": "cam"},
        {"event": "source-back", "outage_s": 6.5},
        {"event": "restarted"},
        {"index": 1},
    ]
    heard = Heard()
    heard.listen(io.StringIO("".join(f"{json.dumps(one)}\n" for one in records)))
    said = "2 frames, 24.9 fps, 3 dropped, 1 outage of 6.5 s, most often cat (2 of 2)\n"
    heard.listen_beside(io.StringIO(f"device: usb\n{said}"))
    assert (heard.results, heard.away_s, heard.summary) == (2, 6.5, (1, 6.5))
    assert len(heard.lost_at_s) == len(heard.back_at_s) == 1
    assert said in capsys.readouterr().err
    heard.listen_beside(io.StringIO("2 frames, 24.9 fps, 3 dropped, never sure\n"))
    assert heard.summary == (0, 0.0)


@pytest.mark.parametrize(
    ("fault", "outage"),
    [
        (STALL, True),
        (Fault(0.0, "stall", 5.1), False),  # so near to the read timeout it may be none
        (Fault(0.0, "close_clients"), True),
        (Fault(0.0, "restart 0.5"), True),
        (Fault(0.0, "garbage"), False),
        (Fault(0.0, "resume"), False),
    ],
)
def test_only_what_is_certain_is_foretold(fault: Fault, outage: bool) -> None:
    assert fault.is_outage is outage
