"""What is known beforehand of a network on a device: the published figure wins."""

from dataclasses import replace

import pytest

from edgescale.architecture.baseline import PUBLISHED, find_baseline
from edgescale.device.forecast import calibration_for, forecast, least_ms
from edgescale.device.known import KnownLatency, LatencyCalibration, find_device, known_devices
from edgescale.edgetpu.latency import calibration_of, predict
from edgescale.errors import DeviceError
from edgescale.scaling.plateaus import plateaus
from edgescale.scaling.variant import published

EDGETPU = find_baseline("efficientnet-edgetpu")
S = published(EDGETPU, "s").architecture
USB3 = find_device("usb3")
KNOWN = KnownLatency("S", "efficientnet-edgetpu", "s", 224, 5.1, "published", "a table")


def test_a_published_latency_wins_over_the_prediction_which_stays_beside_it() -> None:
    one = forecast(USB3, S.layers, KNOWN)
    assert one.latency_ms == 5.1
    assert one.predicted == predict(S.layers, "usb3")
    assert forecast(USB3, S.layers).latency_ms == one.predicted.latency_ms


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("pi4", r"'pi4' \(Raspberry Pi 4B .*no Edge TPU, and CPUs are not predicted; measure with"),
        ("pi5-usb", "how fast its USB 3 sends weights is not known; measure with"),
        ("dev-board-mini", "no latency on it is published"),
    ],
)
def test_what_nothing_predicts_is_refused_with_the_way_out(name: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        forecast(find_device(name), S.layers)


def test_a_calibration_that_is_gone_is_refused() -> None:
    lost = replace(USB3, latency_calibration=LatencyCalibration("usb9", True, None))
    with pytest.raises(DeviceError, match=r"coral-usb-accelerator.json: .*'usb9'"):
        calibration_for(lost)


def test_constants_of_another_host_get_a_wider_interval_that_nobody_has_checked() -> None:
    own, borrowed = calibration_for(find_device("dev-board")), calibration_for(find_device("m2"))
    assert own == calibration_of("dev-board")
    assert borrowed == replace(own, spread=own.spread**2, rows_inside=None)
    low, high = (
        forecast(find_device(name), S.layers).predicted.high_ms for name in ("dev-board", "m2")
    )
    assert high == pytest.approx(own.spread * low)


@pytest.mark.parametrize("link", ["usb3", "dev-board", "usb3-pi4", "usb2-pi3"])
def test_no_prediction_lies_below_the_bound(link: str) -> None:
    device = find_device(link)
    bound = least_ms(device)
    for name in ("efficientnet-edgetpu", "efficientnet-lite"):
        nets = list(plateaus(find_baseline(name), low=-1, high=3))[::6]
        assert len(nets) > 10
        for net in nets:
            least = bound(net.cost.macs, net.cost.weight_bytes)
            assert 0.2 * least < least <= forecast(device, net.architecture.layers).latency_ms


def test_no_published_latency_lies_below_the_bound() -> None:
    found = 0
    for device in known_devices():
        for latency in device.latencies:
            if latency.baseline in PUBLISHED:
                member = published(find_baseline(str(latency.baseline)), str(latency.variant))
                bound = least_ms(device)(member.cost.macs, member.cost.weight_bytes)
                assert bound <= latency.latency_ms  # or solving phi would pass it by
                found += 1
    assert found >= 3
