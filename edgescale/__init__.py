"""edgescale: build one model family, run the largest member each device can afford.

Names are loaded on first use, so that ``import edgescale`` costs nothing and a device needs no
TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgescale.device.measure import profile as profile
    from edgescale.device.profile import DeviceProfile as DeviceProfile
    from edgescale.errors import EdgescaleError as EdgescaleError
    from edgescale.family.manifest import Manifest as Manifest
    from edgescale.family.store import Family as Family
    from edgescale.family.store import load_family as load_family
    from edgescale.inference.classifier import Prediction as Prediction
    from edgescale.selection.budget import Budget as Budget
    from edgescale.selection.choice import Selection as Selection
    from edgescale.selection.choice import select as select
    from edgescale.stream.event import Event as Event
    from edgescale.stream.pipeline import FrameResult as FrameResult
    from edgescale.stream.pipeline import Pipeline as Pipeline
    from edgescale.stream.pipeline import classify as classify
    from edgescale.stream.presence import PresenceLimits as PresenceLimits
    from edgescale.stream.sinks.outputs import Sink as Sink
    from edgescale.stream.sources.source_spec import SourceSpec as SourceSpec
    from edgescale.stream.stats import RunStats as RunStats

_HOMES = {
    "Budget": "edgescale.selection.budget",
    "DeviceProfile": "edgescale.device.profile",
    "EdgescaleError": "edgescale.errors",
    "Event": "edgescale.stream.event",
    "Family": "edgescale.family.store",
    "FrameResult": "edgescale.stream.pipeline",
    "Manifest": "edgescale.family.manifest",
    "Pipeline": "edgescale.stream.pipeline",
    "Prediction": "edgescale.inference.classifier",
    "PresenceLimits": "edgescale.stream.presence",
    "RunStats": "edgescale.stream.stats",
    "Selection": "edgescale.selection.choice",
    "Sink": "edgescale.stream.sinks.outputs",
    "SourceSpec": "edgescale.stream.sources.source_spec",
    "classify": "edgescale.stream.pipeline",
    "load_family": "edgescale.family.store",
    "profile": "edgescale.device.measure",
    "select": "edgescale.selection.choice",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    """Imports a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'edgescale' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
