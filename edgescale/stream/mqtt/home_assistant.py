"""What Home Assistant needs to find a run by itself: one retained message for each entity.

Its MQTT discovery: ``<prefix>/<component>/<id>/config`` holds a JSON description of an entity, and
an empty message removes it. All entities of a run are one device there.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from edgescale import __version__
from edgescale.stream.mqtt.link import Message
from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.stream.mqtt.topics import Topics
from edgescale.stream.sinks.annotate import NOT_SURE

_LONGEST_STATE = 255  # of an entity in Home Assistant
_STATISTICS = (
    ("fps", "Frames per second", "{{ value_json.fps }}", "fps"),
    ("latency_p95", "Latency p95", "{{ value_json.latency_p95_ms }}", "ms"),
    ("variant", "Variant", "{{ value_json.variant }}", None),
)


def discovery(
    settings: MqttSettings, topics: Topics, sources: Sequence[str], family: str
) -> list[Message]:
    """Returns the messages that announce a run.

    Args:
        settings: of the broker.
        topics: of the run.
        sources: their names, as the user sees them.
        family: its name.
    """
    device = {
        "identifiers": [topics.node],
        "name": settings.prefix,
        "manufacturer": "edgescale",
        "model": family[:_LONGEST_STATE],
        "sw_version": __version__,
    }
    common = {
        "availability_topic": topics.available,
        "device": device,
        "origin": {"name": "edgescale", "sw_version": __version__},
    }
    found = []
    for component, entity, config in _entities(topics, sources):
        unique = f"{topics.node}_{entity}"
        body = {
            "unique_id": unique,
            "default_entity_id": f"{component}.{unique}",
            **config,
            **common,
        }
        topic = f"{settings.discovery_prefix}/{component}/{unique}/config"
        found.append(Message(topic, json.dumps(body), retain=True))
    return found


def _entities(topics: Topics, sources: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields component, id and description of each entity."""
    for source in sources:
        yield from _of_source(topics, source)
    for entity, name, template, unit in _STATISTICS:
        config = {
            "name": name,
            "state_topic": topics.stats,
            "value_template": template,
            "entity_category": "diagnostic",
        }
        if unit is not None:
            config |= {"unit_of_measurement": unit, "state_class": "measurement"}
        yield "sensor", f"run_{entity}", config


def _of_source(topics: Topics, source: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    part, shown = topics.part(source), source[:_LONGEST_STATE]
    classification, state = topics.classification(source), topics.state(source)
    yield (
        "sensor",
        f"label_{part}",
        {
            "name": shown,
            "state_topic": classification,
            "value_template": f"{{{{ (value_json.label or '{NOT_SURE}')[:{_LONGEST_STATE}] }}}}",
            "json_attributes_topic": classification,
            "icon": "mdi:image-search",
        },
    )
    yield (
        "sensor",
        f"score_{part}",
        {
            "name": f"{shown} score",
            "state_topic": classification,
            "value_template": "{{ (100 * (value_json.score or 0)) | round(0) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        },
    )
    yield (
        "binary_sensor",
        f"present_{part}",
        {
            "name": f"{shown} present",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.present else 'OFF' }}",
            "json_attributes_topic": state,
            "device_class": "occupancy",
        },
    )
    yield (
        "binary_sensor",
        f"connected_{part}",
        {
            "name": f"{shown} connected",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.state == 'playing' else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        },
    )
    yield (
        "event",
        f"event_{part}",
        {
            "name": f"{shown} event",
            "state_topic": topics.event(source),
            "event_types": ["entered", "left"],
        },
    )
