"""What must not be shown, and not be sent to another host than it is for."""

from dataclasses import replace
from typing import Any

import pytest
from click import UsageError

from edgescale.cli import main
from edgescale.cli.classify_output_flags import settings_of
from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.stream.sinks.output_settings import OutputSettings, Page, Webhook

FLAGS: dict[str, Any] = dict.fromkeys(
    (
        *("as_json", "save", "record", "snapshots", "window", "webhook", "web"),
        *("mqtt", "mqtt_user", "mqtt_prefix", "mqtt_tls"),
    )
) | {"web_name": (), "without": ()}
FILE = OutputSettings(
    webhook=Webhook("https://one.example/hook", "geheim"),
    mqtt=MqttSettings("one", user="bob", password="geheim", tls=True),
)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["http://bob:geheim77@host"], id="no verb"),
        pytest.param(["--bob:geheim77@host"], id="no flag"),
    ],
)
def test_what_was_typed_is_repeated_without_its_password(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "***@host" in said
    assert "geheim" not in said


def test_a_token_of_the_file_stays_with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGESCALE_WEBHOOK_TOKEN", raising=False)
    for url, token in (
        ("https://one.example/other", "geheim"),
        ("http://one.example/hook", None),
        ("https://two.example/hook", None),
    ):
        found = settings_of(FILE, FLAGS | {"webhook": url}).webhook
        assert found == Webhook(url, token)
    monkeypatch.setenv("EDGESCALE_WEBHOOK_TOKEN", "of two")
    found = settings_of(FILE, FLAGS | {"webhook": "https://two.example/hook"}).webhook
    assert found is not None
    assert found.token == "of two"


def test_names_of_the_page_go_over_those_of_the_file() -> None:
    file = replace(FILE, web=Page("8080", "geheim", ("one.lan",)))
    names = ("two.lan", "three.lan")
    assert settings_of(file, FLAGS | {"web": "80"}).web == Page("80", "geheim", ("one.lan",))
    assert settings_of(file, FLAGS | {"web_name": names}).web == Page("8080", "geheim", names)
    with pytest.raises(UsageError, match="give --web too"):
        settings_of(FILE, FLAGS | {"web_name": names})


def test_a_password_of_the_file_stays_with_its_broker() -> None:
    assert FILE.mqtt is not None
    assert settings_of(FILE, FLAGS | {"mqtt": "one:8884"}).mqtt == replace(FILE.mqtt, port=8884)
    found = settings_of(FILE, FLAGS | {"mqtt": "two", "mqtt_prefix": "yard"}).mqtt
    assert found == MqttSettings("two", tls=True, prefix="yard")
