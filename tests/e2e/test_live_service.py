"""classify as a service on a camera: a configuration, MQTT, page, systemd, and a SIGTERM."""

import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.live_commands import SMALL, VIDEO, command, environment, needs_models_and_video, run
from tests.mjpeg_server import MjpegServer
from tests.mosquitto import Listener, Mosquitto, free_port, needs_mosquitto, retained, until

pytestmark = needs_models_and_video

LABEL = "homeassistant/sensor/edgescale_label_door/config"
CONFIG = """
[run]
variant = "{variant}"
top_k = 2
enter = 0.02
leave = 0.01
presence_s = 0.2

[[sources]]
name = "door"
address_env = "DOOR_URL"

[[sources]]
name = "yard"
address_env = "YARD_URL"
rotate = 90
max_fps = 5

[outputs]
lines = "json"
save = "out.mkv"

[outputs.snapshots]
folder = "snapshots"

[outputs.mqtt]
host = "127.0.0.1"
port = {mqtt}

[outputs.web]
address = {web}
"""


class Systemd:
    """Hears what a service says, as long as it lives.

    Attributes:
        lines: in order.
        address: for NOTIFY_SOCKET.
    """

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.address = str(folder / "notify")
        self._here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._here.bind(self.address)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """Ends the reading, after all that was sent before."""
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as out:
            out.sendto(b"", self.address)
        self._thread.join(10)
        self._here.close()

    def _read(self) -> None:
        while told := self._here.recv(4096):
            self.lines += told.decode().splitlines()


@needs_mosquitto
def test_a_service_with_two_cameras_and_every_way_out(family: Path, tmp_path: Path) -> None:
    for extra in ("paho.mqtt.client", "aiohttp", "prometheus_client"):
        pytest.importorskip(extra)
    web = free_port()
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port) as listener,
        MjpegServer(fps=15) as door,
        MjpegServer(fps=15) as yard,
        closing(Systemd(tmp_path)) as systemd,
        (tmp_path / "stdout").open("w") as stdout,
    ):
        config = tmp_path / "edgescale.toml"
        config.write_text(CONFIG.format(variant=SMALL, mqtt=broker.port, web=web))
        secrets = {"DOOR_URL": door.url, "YARD_URL": yard.url}
        process = subprocess.Popen(
            command(["classify", family, "--config", config, "--device=cpu"]),
            env=environment(tmp_path) | secrets | {"NOTIFY_SOCKET": systemd.address},
            stdout=stdout, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert listener.waits_for("edgescale/available", "online")
            for source in ("door", "yard"):
                assert listener.waits_for(f"edgescale/{source}/classification")
            assert listener.waits_for("edgescale/door/event")
            assert until(lambda: bool(list((tmp_path / "snapshots").glob("*door*.jpg"))))
            # A second after the source was seen, so maybe after its first event.
            assert until(lambda: LABEL in retained(broker.port))
            with urllib.request.urlopen(f"http://127.0.0.1:{web}/metrics", timeout=10) as answer:
                metrics = answer.read().decode()
            assert 'edgescale_source_up{camera_name="door"} 1.0' in metrics
            assert 'edgescale_source_frames_total{camera_name="yard"}' in metrics
        finally:
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == 143, stderr
        assert retained(broker.port) == {"edgescale/available": "offline"}
    told = systemd.lines
    assert told.count("READY=1") == 1
    assert "WATCHDOG=1" in told
    assert told[-1] == "STOPPING=1"
    assert "Traceback" not in stderr
    summary = stderr[stderr.index(" frames") :]
    assert "  door: " in summary
    assert "  yard: " in summary
    assert "mqtt " in summary
    records = [json.loads(line) for line in (tmp_path / "stdout").read_text().splitlines()]
    assert {one["source"] for one in records} >= {"door", "yard"}
    assert "entered" in {one.get("event") for one in records}
    for source in ("door", "yard"):
        played = tmp_path / f"out-{source}.mkv"
        done = run("classify", family, "--source", played, "--variant", SMALL, profiles=tmp_path)
        assert done.returncode == 0, done.stderr


def test_max_frames_and_duration_end_a_run_in_order(family: Path, tmp_path: Path) -> None:
    with MjpegServer(fps=30) as camera:
        arguments = ("classify", family, "--source", f"cam={camera.url}", "--variant", SMALL)
        done = run(*arguments, "--max-frames=7", profiles=tmp_path)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 7), done.stderr
        done = run(*arguments, "--duration=1.5", profiles=tmp_path)
        assert done.returncode == 0, done.stderr
        assert 5 < len(done.stdout.splitlines()) < 60


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_duration_does_not_wait_for_a_camera_that_accepts_and_never_answers(
    family: Path, tmp_path: Path, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as camera:
        address = f"cam={scheme}://127.0.0.1:{camera.getsockname()[1]}/stream"
        arguments = ("classify", family, "--source", address, "--variant", SMALL)
        began_s = time.monotonic()
        done = run(*arguments, "--duration=1.2", profiles=tmp_path)
        took_s = time.monotonic() - began_s
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == [
        "source-ended: cam: was not open yet when the run ended",
        "0 frames, 0 dropped",
    ]
    assert 1.2 <= took_s < 5  # what an opening alone may take


def test_a_failing_output_of_a_live_run_is_told_and_ends_in_status_1(
    family: Path, tmp_path: Path
) -> None:
    with MjpegServer(fps=30) as camera:
        arguments = ("classify", family, "--source", f"cam={camera.url}", "--variant", SMALL)
        with Path(os.devnull).open() as unwritable:  # opened for reading only
            done = subprocess.run(
                command([*arguments, "--max-frames=10", "--save", tmp_path / "out.mkv"]),
                env=environment(tmp_path), stdout=unwritable, stderr=subprocess.PIPE, text=True,
                timeout=60, check=False,
            )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: the results cannot be written")
    assert "video 10 written" in done.stderr
    assert (tmp_path / "out.mkv").stat().st_size > 0


def test_several_files_are_all_read_to_their_end(family: Path, tmp_path: Path) -> None:
    asl = VIDEO.parent / "asl_bird.mkv"
    done = run(
        "classify", family, "--source", f"a={asl}", "--source", f"b={asl}", "--variant", SMALL,
        "--json", profiles=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sources = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert sources.count("a") == sources.count("b") > 50


def test_without_a_stdout_the_other_outputs_work(family: Path, tmp_path: Path) -> None:
    arguments = (
        "--source",
        VIDEO.absolute(),
        "--variant",
        SMALL,
        "--max-frames=3",
        "--save",
        "out.mkv",
    )
    line = shlex.join(command(["classify", family.absolute(), *arguments]))
    done = subprocess.run(
        ["sh", "-c", f"{line} >&-"], cwd=tmp_path, env=environment(tmp_path), text=True,
        stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "video 3 written, 0 dropped" in done.stderr


def test_a_password_in_an_address_is_in_no_output(family: Path, tmp_path: Path) -> None:
    address = f"http://camera:geheim@127.0.0.1:{free_port()}/stream"
    for options in ([], ["-vv"]):
        done = run(*options, "classify", family, "--source", address, profiles=tmp_path)
        assert done.returncode == 1
        assert "geheim" not in done.stdout + done.stderr
