"""The configuration file: every key, and what is refused."""

from pathlib import Path

import pytest

from edgescale.errors import ConfigError, StreamError
from edgescale.stream.config.config import LiveConfig, read_config
from edgescale.stream.sinks.output_settings import OutputSettings
from edgescale.units import MIB

EVERY_KEY = """
[run]
variant = "large"
adapt = false
device = "usb:0"
runtime = "tflite_runtime"
threads = 2
edgetpu_library = "libedgetpu.so.1"
edgetpu_performance = "high"
profiles = "profiles"
top_k = 3
threshold = 0.2
smooth_s = 1.5
enter = 0.7
leave = 0.3
presence_s = 2
max_frames = 100
duration_s = 60

[[sources]]
name = "door"
address = "rtsp://camera/1"
user = "viewer"
password_file = "camera-password"
roi = [10, 20, 640, 480]
rotate = 90
max_fps = 5

[[sources]]
address = "/dev/video0"
size = [1280, 720]
fps = 30
pixel_format = "MJPG"

[[sources]]
address = "clips/one.mp4"

[outputs]
lines = "json"
save = "out.mp4"
window = true

[outputs.record]
folder = "recordings"
segment_s = 30
max_mib = 10
max_days = 2
on_events = true

[outputs.snapshots]
folder = "snapshots"
max_mib = 5
max_days = 1

[outputs.webhook]
url_env = "HOOK_URL"
token_env = "HOOK_TOKEN"
timeout_s = 2

[outputs.mqtt]
host = "broker"
port = 8884
prefix = "edgescale/garden"
user = "camera"
password_env = "BROKER_PASSWORD"
tls = true
ca_file = "ca.pem"
discovery_prefix = ""

[outputs.web]
address = "0.0.0.0:8080"
token_file = "/run/secrets/token"
names = ["cam.example.lan", "door"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "edgescale.toml"
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "camera-password").write_text("p@ss/word\n")
    (tmp_path / "token").write_text("page token\n")
    for name, value in (
        ("HOOK_URL", "https://hook/secret"), ("HOOK_TOKEN", "hook token"),
        ("BROKER_PASSWORD", "geheim"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    text = EVERY_KEY.replace("/run/secrets/token", str(tmp_path / "token"))
    config = read_config(written(tmp_path, text))
    assert config.flags == {
        "variant": "large", "adapt": False, "device": "usb:0", "runtime": "tflite_runtime",
        "threads": 2, "edgetpu_library": "libedgetpu.so.1", "edgetpu_performance": "high",
        "profiles": str(tmp_path / "profiles"), "top_k": 3, "threshold": 0.2, "smooth": 1.5,
        "enter": 0.7, "leave": 0.3, "presence_time": 2.0, "max_frames": 100, "duration": 60.0,
    }  # fmt: skip
    door, camera, clip = config.sources
    assert door.address == "rtsp://viewer:p%40ss%2Fword@camera/1"
    assert (door.name, door.roi, door.rotate, door.max_fps) == ("door", (10, 20, 640, 480), 90, 5)
    assert (camera.size, camera.fps, camera.pixel_format) == ((1280, 720), 30, "MJPG")
    assert camera.name == "/dev/video0"
    assert clip.address == str(tmp_path / "clips/one.mp4")
    out = config.outputs
    assert (out.lines, out.save, out.window) == ("json", tmp_path / "out.mp4", True)
    assert out.record is not None
    assert (out.record.segment_s, out.record.on_events) == (30, True)
    assert (out.record.max_bytes, out.record.max_age_s) == (10 * MIB, 2 * 86400)
    assert out.snapshots is not None
    assert (out.snapshots.folder, out.snapshots.max_bytes) == (tmp_path / "snapshots", 5 * MIB)
    assert out.webhook is not None
    assert (out.webhook.url, out.webhook.token, out.webhook.timeout_s) == (
        "https://hook/secret", "hook token", 2,
    )  # fmt: skip
    assert out.mqtt is not None
    assert (out.mqtt.place, out.mqtt.password, out.mqtt.tls) == ("broker:8884", "geheim", True)
    assert (out.mqtt.ca_file, out.mqtt.discovery_prefix) == (tmp_path / "ca.pem", "")
    assert out.web is not None
    assert (out.web.address, out.web.token) == ("0.0.0.0:8080", "page token")
    assert out.web.names == ("cam.example.lan", "door")
    for secret in ("p%40ss", "hook token", "secret", "geheim", "page token"):
        assert secret not in repr(config)


def test_a_budget(tmp_path: Path) -> None:
    text = """
    [budget]
    latency_ms = 20
    percentile = 99
    min_fps = 10
    memory_mib = 150
    min_accuracy = 0.7
    on_chip_only = true
    """
    assert read_config(written(tmp_path, text)).flags == {
        "latency_budget": 20, "percentile": "99", "min_fps": 10, "memory_budget": 150,
        "min_accuracy": 0.7, "on_chip_only": True,
    }  # fmt: skip


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, "")) == LiveConfig({}, (), OutputSettings())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[ouputs]", "unknown key 'ouputs', did you mean 'outputs'", id="section"),
        pytest.param("[run]\nsmoth_s = 1", "did you mean 'smooth_s'", id="run"),
        pytest.param("[budget]\nlatency = 1", "did you mean 'latency_ms'", id="budget"),
        pytest.param('[[sources]]\naddres = "0"', "did you mean 'address'", id="source"),
        pytest.param('[outputs.mqtt]\nhots = "a"', "did you mean 'host'", id="mqtt"),
        pytest.param('[outputs]\nlines = "jsn"', "did you mean 'json'", id="lines"),
        pytest.param("[budget]\npercentile = 90", "expected 95 or 99", id="percentile"),
        pytest.param("[run]\nthreshold = nan", "expected a number from 0 to 1", id="nan"),
        pytest.param('[run]\nvariant = "a"\n[budget]\nmin_fps = 1', "drop one", id="both"),
        pytest.param('[[sources]]\naddress = "0"\nroi = [1, 2]', "[x, y, width, height]", id="roi"),
        pytest.param('[[sources]]\naddress = "0"\nname = "a b"', "a letter, then", id="name"),
        pytest.param(
            '[[sources]]\naddress = "a.mp4"\nuser = "a"', "a password goes with", id="file user"
        ),
        pytest.param(
            '[[sources]]\naddress = "rtsp://a@c"\nuser = "a"', "give one of both", id="two users"
        ),
        pytest.param("[[sources]]\n", "'address' is missing", id="nothing"),
        pytest.param("[outputs.web]\naddress = true", "give a port", id="web"),
        pytest.param('[outputs.web]\naddress = 1\nnames = "a"', "a list of", id="names"),
        pytest.param("sources = 1", "a list of at most", id="no list"),
        pytest.param("[", "not valid TOML", id="no toml"),
        pytest.param("#" * (2**20 + 1), "larger than 1 MiB", id="large"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, text))
    assert said in str(caught.value)
    assert "edgescale.toml" in str(caught.value)


@pytest.mark.parametrize("table", ["mqtt]\nhost = 'a'\nuser = 'b'", "web]\naddress = 1"])
def test_a_secret_in_the_file_itself_is_refused_and_not_repeated(
    tmp_path: Path, table: str
) -> None:
    key = "password" if "mqtt" in table else "token"
    with pytest.raises(ConfigError, match=f"give {key}_file or {key}_env") as caught:
        read_config(written(tmp_path, f"[outputs.{table}\n{key} = 'geheim'"))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["http://u:geheim@h/x", "rtsp://h/user=a_password=geheim_channel=1", "http://h?pw=geheim"],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"address: .* password_file .* address_env") as caught:
        read_config(written(tmp_path, f'[[sources]]\naddress = "{address}"'))
    assert "geheim" not in str(caught.value)
    (tmp_path / "address").write_text(address)
    (source,) = read_config(written(tmp_path, '[[sources]]\naddress_file = "address"\n')).sources
    assert source.address == address


def test_a_source_that_cannot_be_one(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="cannot be turned by 45"):
        read_config(written(tmp_path, '[[sources]]\naddress = "0"\nrotate = 45'))


def test_the_usual_variables_are_taken_where_the_file_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESCALE_MQTT_PASSWORD", "geheim")
    monkeypatch.setenv("EDGESCALE_WEB_TOKEN", "token")
    text = "[outputs.mqtt]\nhost = 'a'\nuser = 'b'\n[outputs.web]\naddress = 8080"
    outputs = read_config(written(tmp_path, text)).outputs
    assert outputs.mqtt is not None
    assert outputs.mqtt.password == "geheim"
    assert outputs.web is not None
    assert (outputs.web.address, outputs.web.token) == ("8080", "token")


@pytest.mark.parametrize("key", ["smooth_s", "enter", "leave", "duration_s"])
def test_zero_is_refused_where_the_flag_refuses_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"edgescale.toml.run.{key}: expected a number above 0"):
        read_config(written(tmp_path, f"[run]\n{key} = 0\n"))


def test_a_camera_may_be_a_number(tmp_path: Path) -> None:
    (camera,) = read_config(written(tmp_path, "[[sources]]\naddress = 0\n")).sources
    assert camera.address == "0"
    with pytest.raises(ConfigError, match="a whole number from 0 to 999"):
        read_config(written(tmp_path, "[[sources]]\naddress = 1000\n"))


@pytest.mark.parametrize(
    "text",
    [
        '[sources]\naddress = "rtsp://bob:geheim77@camera/1"\n',
        '[[sources]]\naddress = ["rtsp://bob:geheim77@camera/1"]\n',
        '[outputs]\nlines = "rtsp://bob:geheim77@camera/1"\n',
    ],
)
def test_no_error_repeats_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, text))
    assert "geheim" not in str(caught.value)
