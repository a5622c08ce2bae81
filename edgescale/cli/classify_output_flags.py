"""The flags of the outputs, and how they go over what a configuration file says of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from edgescale.stream.config.outputs import MQTT_PASSWORD, WEB_TOKEN, WEBHOOK_TOKEN
from edgescale.stream.config.secrets import secret_of
from edgescale.stream.mqtt.settings import PREFIX, MqttSettings, parse_broker
from edgescale.stream.sinks.output_settings import (
    KeptFolder,
    OutputSettings,
    Page,
    Recordings,
    Webhook,
)

_LEFT_OUT = ("save", "record", "snapshots", "window", "webhook", "mqtt", "web")


def output_options(command: Any) -> Any:
    """Adds the flags of the outputs, given on one by one."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in reversed(
        (
            click.option(
                "--json/--no-json",
                "as_json",
                default=None,
                help="Print one JSON object per frame, and per event.",
            ),
            click.option(
                "--save",
                type=click.Path(path_type=Path),
                metavar="OUT.mp4",
                help="Write the annotated frames as video: .mp4 (needs the extra video), .mkv or"
                " .avi.",
            ),
            click.option(
                "--record",
                type=folder,
                metavar="FOLDER",
                help="Record the plain pictures in segments; the oldest go first.",
            ),
            click.option(
                "--snapshots",
                type=folder,
                metavar="FOLDER",
                help="Write a picture when a label enters; the oldest go first.",
            ),
            click.option(
                "--window/--no-window", default=None, help="Show the pictures in a window."
            ),
            click.option(
                "--webhook",
                metavar="URL",
                help=f"Post events to this address, with the token of {WEBHOOK_TOKEN} if set.",
            ),
            click.option(
                "--mqtt",
                metavar="HOST[:PORT]",
                help="Publish results and events to this broker, for Home Assistant too (needs the"
                " extra mqtt).",
            ),
            click.option(
                "--mqtt-user",
                metavar="NAME",
                help=f"User at the broker; the password comes from {MQTT_PASSWORD} or the"
                " configuration.",
            ),
            click.option(
                "--mqtt-prefix",
                metavar="TOPIC",
                help=f"First levels of all topics ({PREFIX}); each run on a broker needs its own.",
            ),
            click.option(
                "--mqtt-tls/--no-mqtt-tls",
                default=None,
                help="Encrypt the connection to the broker.",
            ),
            click.option(
                "--web",
                metavar="[HOST:]PORT",
                help="Serve the page, /metrics and /healthz, here only unless HOST is given; other"
                f" hosts need a token in {WEB_TOKEN} (needs the extra web).",
            ),
            click.option(
                "--web-name",
                multiple=True,
                metavar="NAME",
                help="Another name of the page's host, such as a proxy's; repeatable, needs the"
                " token too.",
            ),
            click.option(
                "--without",
                type=click.Choice(_LEFT_OUT),
                multiple=True,
                metavar="OUTPUT",
                help=f"Leave out an output of the configuration: {', '.join(_LEFT_OUT)};"
                " repeatable.",
            ),
        )
    ):
        command = option(command)
    return command


def settings_of(before: OutputSettings, flags: dict[str, Any]) -> OutputSettings:
    """Returns the outputs of the configuration with the flags over them.

    Raises:
        click.UsageError: flags of MQTT without a broker or of the page without one, or an output
            that is left out and asked for.
        ConfigError: a variable that holds no secret.
        EdgescaleError: a value that none of these outputs could have.
    """
    before = _kept(before, flags)
    if flags["save"] is not None:
        from edgescale.stream.sinks.video_encoder import check_ending

        check_ending(flags["save"])
    return replace(
        before,
        lines=_line_format(before.lines, flags["as_json"]),
        save=flags["save"] or before.save,
        record=_in_folder(before.record, flags["record"], Recordings),
        snapshots=_in_folder(before.snapshots, flags["snapshots"], KeptFolder),
        window=before.window if flags["window"] is None else flags["window"],
        webhook=_webhook(before.webhook, flags["webhook"]),
        mqtt=_mqtt(before.mqtt, flags),
        web=_page(before.web, flags["web"], flags["web_name"]),
    )


def _kept(before: OutputSettings, flags: dict[str, Any]) -> OutputSettings:
    """Returns the outputs of the configuration but those that ``--without`` names."""
    for name in flags["without"]:
        if flags[name]:
            raise click.UsageError(f"--without {name} leaves out what --{name} adds; give either")
    off = OutputSettings()
    return replace(before, **{name: getattr(off, name) for name in flags["without"]})


def _line_format(before: str, as_json: bool | None) -> str:
    if as_json:
        return "json"
    return "text" if as_json is False and before == "json" else before


def _in_folder(before: Any, folder: Path | None, kind: type[Any]) -> Any:
    if folder is None:
        return before
    return kind(folder) if before is None else replace(before, folder=folder)


def _webhook(before: Webhook | None, url: str | None) -> Webhook | None:
    if url is None:
        return before
    from edgescale.stream.sinks import post

    post.parse_address(url, None)
    if before is not None and _host(url) == _host(before.url):
        return replace(before, url=url)
    token = secret_of(WEBHOOK_TOKEN, "--webhook")  # the file's token is not for another host
    return Webhook(url, token) if before is None else replace(before, url=url, token=token)


def _host(url: str) -> tuple[str, str]:
    """Returns scheme and host with its port; what is no URL is a host of its own."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.netloc.rpartition("@")[2].lower()
    except ValueError:
        return "", url


def _page(before: Page | None, address: str | None, names: tuple[str, ...]) -> Page | None:
    if address is not None:
        from edgescale.stream.web.address import parse_address

        parse_address(address)
    if names:
        from edgescale.stream.web.address import host_name

        names = tuple(map(host_name, names))
    if before is None and address is not None:
        before = Page(address, secret_of(WEB_TOKEN, "--web"))
    if before is None:
        if names:
            raise click.UsageError("--web-name is for the page; give --web too")
        return None
    where = before.address if address is None else address
    return replace(before, address=where, names=names or before.names)


def _mqtt(before: MqttSettings | None, flags: dict[str, Any]) -> MqttSettings | None:
    broker, user, tls = flags["mqtt"], flags["mqtt_user"], flags["mqtt_tls"]
    prefix = flags["mqtt_prefix"]
    if broker is None and before is None:
        if user is not None or prefix is not None or tls:
            raise click.UsageError("--mqtt-... flags need a broker; give --mqtt too")
        return None
    changes: dict[str, Any] = {}
    if broker is not None:
        changes["host"], changes["port"] = parse_broker(broker)
        if before is not None and before.host.lower() != changes["host"].lower():
            changes["user"] = changes["password"] = None  # those of the file are for its broker
    if user is not None:
        changes["user"] = user
        changes["password"] = secret_of(MQTT_PASSWORD, "--mqtt-user")
    if prefix is not None:
        changes["prefix"] = prefix
    if tls is not None:
        changes["tls"] = tls
    if tls is False:
        changes["ca_file"] = None
    return MqttSettings(**changes) if before is None else replace(before, **changes)
