"""The outputs of a configuration file: ``[outputs]`` and a table for each that has settings."""

from pathlib import Path
from typing import Any

from edgescale.errors import ConfigError
from edgescale.family.fields import Fields
from edgescale.stream.config.secrets import read_secret, text_or_secret
from edgescale.stream.mqtt.settings import DISCOVERY_PREFIX, PREFIX, MqttSettings
from edgescale.stream.sinks.output_settings import (
    DAY_S,
    LINES,
    KeptFolder,
    OutputSettings,
    Page,
    Recordings,
    Webhook,
)
from edgescale.units import MIB

# Taken where neither flag nor file names another place for the secret.
MQTT_PASSWORD = "EDGESCALE_MQTT_PASSWORD"
WEB_TOKEN = "EDGESCALE_WEB_TOKEN"
WEBHOOK_TOKEN = "EDGESCALE_WEBHOOK_TOKEN"
_LONGEST = 4096
_LARGEST_MIB = 2**30
_MOST_DAYS = 36_500
_MOST_NAMES = 64


def read_outputs(fields: Fields | None, home: Path) -> OutputSettings:
    """Reads all outputs.

    Raises:
        ConfigError: an unknown key or a value that is not what was needed.
        StreamError: a broker that cannot be one.
    """
    if fields is None:
        return OutputSettings()
    save = fields.text("save", None, longest=_LONGEST)
    settings = OutputSettings(
        lines=fields.text("lines", "text", choices=LINES),
        save=None if save is None else home / save,
        window=fields.boolean("window", False),
        record=_recordings(fields.optional_table("record"), home),
        snapshots=_snapshots(fields.optional_table("snapshots"), home),
        webhook=_webhook(fields.optional_table("webhook"), home),
        mqtt=_mqtt(fields.optional_table("mqtt"), home),
        web=_page(fields.optional_table("web"), home),
    )
    fields.close()
    return settings


def _recordings(fields: Fields | None, home: Path) -> Recordings | None:
    if fields is None:
        return None
    found = Recordings(
        **_kept(fields, home),
        segment_s=fields.number("segment_s", Recordings.segment_s, low=1, high=DAY_S),
        on_events=fields.boolean("on_events", False),
    )
    fields.close()
    return found


def _snapshots(fields: Fields | None, home: Path) -> KeptFolder | None:
    if fields is None:
        return None
    found = KeptFolder(**_kept(fields, home))
    fields.close()
    return found


def _kept(fields: Fields, home: Path) -> dict[str, Any]:
    mib = fields.number("max_mib", KeptFolder.max_bytes / MIB, low=1, high=_LARGEST_MIB)
    days = fields.number("max_days", KeptFolder.max_age_s / DAY_S, low=1e-3, high=_MOST_DAYS)
    folder = home / fields.text("folder", longest=_LONGEST)
    return {"folder": folder, "max_bytes": int(mib * MIB), "max_age_s": days * DAY_S}


def _webhook(fields: Fields | None, home: Path) -> Webhook | None:
    if fields is None:
        return None
    found = Webhook(
        text_or_secret(fields, "url", home),
        read_secret(fields, "token", home, usual_env=WEBHOOK_TOKEN),
        fields.number("timeout_s", Webhook.timeout_s, low=0.1, high=60),
    )
    fields.close()
    return found


def _mqtt(fields: Fields | None, home: Path) -> MqttSettings | None:
    if fields is None:
        return None
    user = fields.text("user", None, longest=1_000)
    usual = "" if user is None else MQTT_PASSWORD
    ca_file = fields.text("ca_file", None, longest=_LONGEST)
    found = MqttSettings(
        fields.text("host", longest=255),
        fields.integer("port", None, low=1, high=65_535),
        prefix=fields.text("prefix", PREFIX, longest=200),
        user=user,
        password=read_secret(fields, "password", home, usual_env=usual),
        tls=fields.boolean("tls", False),
        ca_file=None if ca_file is None else home / ca_file,
        discovery_prefix=fields.text("discovery_prefix", DISCOVERY_PREFIX, longest=200),
    )
    fields.close()
    return found


def _page(fields: Fields | None, home: Path) -> Page | None:
    if fields is None:
        return None
    address = fields.take("address")
    if type(address) is int:
        address = str(address)
    if not isinstance(address, str):
        raise ConfigError(f"{fields.where}.address: give a port, or a text such as '0.0.0.0:8080'")
    token = read_secret(fields, "token", home, usual_env=WEB_TOKEN)
    found = Page(address, token, fields.texts("names", (), most=_MOST_NAMES))
    fields.close()
    return found
