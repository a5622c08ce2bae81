"""From the outputs that were asked for to the sinks of a run; each imported when it is wanted."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from edgescale.stream.config.outputs import (
    MQTT_PASSWORD,
    WEB_TOKEN,
    WEBHOOK_TOKEN,
)
from edgescale.stream.config.secrets import secret_of
from edgescale.stream.mqtt.settings import PREFIX, MqttSettings, parse_broker
from edgescale.stream.notify import Notifier, NotifySink
from edgescale.stream.pipeline import Pipeline
from edgescale.stream.sinks.lines import JsonSink, TextSink
from edgescale.stream.sinks.output_settings import (
    KeptFolder,
    OutputSettings,
    Page,
    Recordings,
    Webhook,
)
from edgescale.stream.sinks.outputs import Sink
from edgescale.stream.sources.source_spec import SourceSpec


def output_options(command: Any) -> Any:
    """Adds the flags of the outputs, given on one by one."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in reversed(
        (
            click.option(
                "--json",
                "as_json",
                is_flag=True,
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
            click.option("--window", is_flag=True, help="Show the pictures in a window."),
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
            click.option("--mqtt-tls", is_flag=True, help="Encrypt the connection to the broker."),
            click.option(
                "--web",
                metavar="[HOST:]PORT",
                help="Serve the page, /metrics and /healthz, here only unless HOST is given; other"
                f" hosts need a token in {WEB_TOKEN} (needs the extra web).",
            ),
        )
    ):
        command = option(command)
    return command


def settings_of(before: OutputSettings, flags: dict[str, Any]) -> OutputSettings:
    """Returns the outputs of the configuration with the flags over them.

    Raises:
        click.UsageError: flags of MQTT without a broker.
        EdgescaleError: a broker that cannot be one, or a variable that holds no secret.
    """
    as_json, save, record = flags["as_json"], flags["save"], flags["record"]
    return replace(
        before,
        lines="json" if as_json else before.lines,
        save=save or before.save,
        record=_in_folder(before.record, record, Recordings),
        snapshots=_in_folder(before.snapshots, flags["snapshots"], KeptFolder),
        window=flags["window"] or before.window,
        webhook=_webhook(before.webhook, flags["webhook"]),
        mqtt=_mqtt(before.mqtt, flags),
        web=_page(before.web, flags["web"]),
    )


def add_sinks(pipeline: Pipeline, settings: OutputSettings, specs: Sequence[SourceSpec]) -> None:
    """Opens all outputs and hands them to a pipeline; where one cannot be, none stays open.

    Raises:
        SinkFailed: an output cannot be had here.
    """
    with ExitStack() as stack:
        for sink in _sinks(pipeline, settings, specs):
            stack.callback(sink.close)
            pipeline.add_sink(sink)
        stack.pop_all()  # the pipeline closes them from now on


def _sinks(
    pipeline: Pipeline, settings: OutputSettings, specs: Sequence[SourceSpec]
) -> Iterator[Sink]:
    yield from _lines(settings, specs)
    yield from _files(settings, specs)
    if settings.window:
        from edgescale.stream.sinks.window import WindowSink

        yield WindowSink()
    yield from _network(pipeline, settings)
    notifier = Notifier()
    if notifier.wanted:
        yield NotifySink(notifier, pipeline.monitor.snapshot)


def _lines(settings: OutputSettings, specs: Sequence[SourceSpec]) -> Iterator[Sink]:
    if not sys.stdout:  # closed by >&-, so nobody wants them
        return
    if settings.lines == "json":
        yield JsonSink(sys.stdout, source=specs[0].name if len(specs) == 1 else "")
    elif settings.lines == "text":
        yield TextSink(sys.stdout, notes=sys.stderr, several=len(specs) > 1)


def _files(settings: OutputSettings, specs: Sequence[SourceSpec]) -> Iterator[Sink]:
    if settings.save is not None:
        from edgescale.stream.sinks.video_sink import VideoSink

        addresses = [spec.address for spec in specs]
        yield VideoSink(settings.save, addresses, names=[spec.name for spec in specs])
    if (record := settings.record) is not None:
        from edgescale.stream.sinks.recording import RecordingSink

        yield RecordingSink(
            record.folder,
            segment_s=record.segment_s,
            max_bytes=record.max_bytes,
            max_age_s=record.max_age_s,
            on_events=record.on_events,
        )
    if (kept := settings.snapshots) is not None:
        from edgescale.stream.sinks.snapshots import SnapshotSink

        yield SnapshotSink(kept.folder, max_bytes=kept.max_bytes, max_age_s=kept.max_age_s)


def _network(pipeline: Pipeline, settings: OutputSettings) -> Iterator[Sink]:
    if (webhook := settings.webhook) is not None:
        from edgescale.stream.sinks.webhook import WebhookSink

        yield WebhookSink(webhook.url, webhook.token, webhook.timeout_s)
    if settings.mqtt is not None:
        from edgescale.stream.mqtt.sink import MqttSink

        yield MqttSink(settings.mqtt, pipeline.monitor.snapshot)
    if settings.web is not None:
        from edgescale.stream.web.sink import WebSink

        page = WebSink(settings.web.address, settings.web.token, pipeline.monitor)
        click.echo(f"page: {page.url}", err=True)
        if not page.address.loopback:
            click.echo(
                "page: not encrypted, so who is on its way can read token and pictures; put a proxy"
                " with TLS before it where that matters",
                err=True,
            )
        yield page


def _in_folder(before: Any, folder: Path | None, kind: type[Any]) -> Any:
    if folder is None:
        return before
    return kind(folder) if before is None else replace(before, folder=folder)


def _webhook(before: Webhook | None, url: str | None) -> Webhook | None:
    if url is None:
        return before
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


def _page(before: Page | None, address: str | None) -> Page | None:
    if address is None:
        return before
    if before is not None:
        return replace(before, address=address)
    return Page(address, secret_of(WEB_TOKEN, "--web"))


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
    if tls:
        changes["tls"] = True
    return MqttSettings(**changes) if before is None else replace(before, **changes)
