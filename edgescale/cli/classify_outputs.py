"""From the outputs that were asked for to the sinks of a run; each imported when it is wanted."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import click

from edgescale.stream.notify import Notifier, NotifySink
from edgescale.stream.pipeline import Pipeline
from edgescale.stream.silence import wanted_pauses_s
from edgescale.stream.sinks.lines import JsonSink, TextSink
from edgescale.stream.sinks.output_settings import OutputSettings
from edgescale.stream.sinks.outputs import Sink
from edgescale.stream.sources.source_spec import SourceSpec


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
    pauses_s = wanted_pauses_s(specs)
    yield from _network(pipeline, settings, pauses_s)
    notifier = Notifier()
    if notifier.wanted:
        yield NotifySink(notifier, pipeline.monitor.snapshot, pauses_s)


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


def _network(
    pipeline: Pipeline, settings: OutputSettings, pauses_s: Mapping[str, float]
) -> Iterator[Sink]:
    if (webhook := settings.webhook) is not None:
        from edgescale.stream.sinks.webhook import WebhookSink

        yield WebhookSink(webhook.url, webhook.token, webhook.timeout_s)
    if settings.mqtt is not None:
        from edgescale.stream.mqtt.sink import MqttSink

        yield MqttSink(settings.mqtt, pipeline.monitor.snapshot)
    if (web := settings.web) is not None:
        from edgescale.stream.web.sink import WebSink

        page = WebSink(web.address, web.token, pipeline.monitor, pauses_s=pauses_s, names=web.names)
        click.echo(f"page: {page.url}", err=True)
        if not page.address.loopback:
            click.echo(
                "page: not encrypted, so who is on its way can read token and pictures; put a proxy"
                " with TLS before it where that matters",
                err=True,
            )
        yield page
