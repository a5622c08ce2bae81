"""Metrics as Prometheus reads them, by its own parser."""

import pytest

from edgescale.stream.metrics import CONTENT_TYPE, metrics_text
from edgescale.stream.snapshot import SinkStatus, Snapshot
from tests.snapshots import snapshot, source

prometheus = pytest.importorskip("prometheus_client.parser", reason="needs the web extra")


def samples(now: Snapshot) -> dict[tuple[str, ...], float]:
    """Returns name and label values of each sample with its value; one that comes twice fails."""
    found: dict[tuple[str, ...], float] = {}
    for family in prometheus.text_string_to_metric_families(metrics_text(now).decode()):
        for one in family.samples:
            key = (one.name, *(one.labels[label] for label in sorted(one.labels)))
            assert key not in found
            found[key] = one.value
    return found


def test_the_six_names_of_frigate_with_their_labels() -> None:
    found = samples(snapshot())
    assert found["edgescale_camera_fps", "door"] == 20
    assert found["edgescale_process_fps", "door"] == 15
    assert found["edgescale_skipped_fps", "door"] == 5
    assert found["edgescale_detector_inference_speed_seconds", "usb:0"] == 0.010
    assert found["edgescale_device_temperature", "usb:0"] == 61.5
    assert found["edgescale_service_uptime_seconds",] == 6
    text = metrics_text(snapshot()).decode()
    assert 'edgescale_camera_fps{camera_name="door"} 20.0' in text
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_outages_drops_and_sinks_are_counters() -> None:
    now = snapshot(sinks=(SinkStatus("mqtt", 5, 1, ""), SinkStatus("web", 3, 0, "port in use")))
    found = samples(now)
    assert found["edgescale_source_frames_total", "door"] == 90
    assert found["edgescale_source_dropped_frames_total", "door"] == 10
    assert found["edgescale_source_outages_total", "door"] == 2
    assert found["edgescale_source_outage_seconds_total", "door"] == 3.5
    assert found["edgescale_sink_written_total", "mqtt"] == 5
    assert found["edgescale_sink_dropped_total", "mqtt"] == 1
    assert (found["edgescale_sink_failed", "mqtt"], found["edgescale_sink_failed", "web"]) == (0, 1)
    assert found["edgescale_variant_running", "usb:0", "birds", "tflite_runtime 2.14.0", "large"]


def test_each_stage_is_a_histogram_in_seconds() -> None:
    found = samples(snapshot())
    name = "edgescale_stage_latency_seconds"
    assert found[f"{name}_bucket", "0.008", "infer"] == 0
    assert found[f"{name}_bucket", "0.016", "infer"] == 89
    assert found[f"{name}_bucket", "+Inf", "infer"] == 90
    assert found[f"{name}_count", "infer"] == 90
    assert found[f"{name}_sum", "infer"] == pytest.approx(0.9)
    assert found[f"{name}_bucket", "0.002", "decode"] == 60


def test_what_is_not_known_is_left_out() -> None:
    bare = source(fps=None, capture_fps=None, age_ms=None, state="lost")
    found = samples(
        snapshot(sources=(bare,), latency_ms=None, temperature_c=None, limit_ms=None, variant="")
    )
    names = {key[0] for key in found}
    assert not names & {
        "edgescale_camera_fps", "edgescale_process_fps", "edgescale_skipped_fps",
        "edgescale_detector_inference_speed_seconds", "edgescale_device_temperature",
        "edgescale_latency_budget_seconds", "edgescale_source_result_age_seconds",
        "edgescale_variant_running",
    }  # fmt: skip
    assert found["edgescale_source_up", "door"] == 0


def test_foreign_names_stay_one_label_value_and_never_come_twice() -> None:
    evil = 'a"} 1\nedgescale_camera_fps{camera_name="b'
    half = "half \udc80"
    names = (evil, evil, half)
    found = samples(snapshot(sources=tuple(source(name=name) for name in names)))
    seen = [key[1] for key in found if key[0] == "edgescale_camera_fps"]
    assert seen == [evil, f"{evil} (2)", "half ?"]
