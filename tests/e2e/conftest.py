"""A family of two real models, its profile and a short video, made once."""

import json
from pathlib import Path

import pytest

from tests.e2e.live_commands import DATA, LARGE, MODELS, SMALL, VIDEO, run


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coral") / "family"
    models = [DATA / f"coral/models/{name}.tflite" for name in MODELS]
    twin = DATA / f"coral/models/{SMALL}_edgetpu.tflite"
    labels = DATA / "coral/imagenet_labels.txt"
    done = run("import", *models, twin, "--labels", labels, "-o", folder, profiles=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def profiles(family: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiles")
    done = run("profile", family, "--runs=40", "--json", profiles=folder)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [entry["n"] for entry in record["variants"]] == [40, 40]
    assert all(entry["latency_ms"]["min"] > 0 for entry in record["variants"])
    latencies = {entry["variant"]: entry["latency_ms"]["median"] for entry in record["variants"]}
    assert latencies[SMALL] < latencies[LARGE]
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 300 frames of the video, which take the larger model some seconds."""
    import cv2

    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    video = cv2.VideoCapture(str(VIDEO))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (640, 360))
    for _ in range(300):
        writer.write(video.read()[1])
    writer.release()
    video.release()
    return path
