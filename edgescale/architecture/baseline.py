"""The baselines: networks that scaling starts from, and the published members of their families.

EfficientNet-EdgeTPU-S is the baseline of the patent's Figure 4 (7 FusedConv and 11 MBConv blocks).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgescale.architecture.block import BlockArgs, parse_block
from edgescale.errors import ArchitectureError

ACTIVATIONS = ("relu", "relu6", "swish")
METRICS = ("accuracy", "error")


@dataclass(frozen=True)
class TrainedScore:
    """How well a baseline does the task it was trained for: the patent's "trained baseline".

    ``score`` is a share from 0 to 1 and ``metric`` says of what; ``source`` says who measured it.
    """

    score: float
    metric: str  # one of METRICS
    task: str
    source: str

    def __post_init__(self) -> None:
        """Refuses what is no score.

        Raises:
            ArchitectureError: a score that is no share, or a metric that is not known.
        """
        if not 0 <= self.score <= 1:
            raise ArchitectureError(
                f"the baseline's trained score is {self.score:g}; it must be from 0 to 1"
            )
        if self.metric not in METRICS:
            raise ArchitectureError(
                f"the baseline's trained metric '{self.metric}' is not known; accuracy or error"
            )


@dataclass(frozen=True)
class Baseline:
    """A network to scale: stem convolution (3x3, stride 2), stages of equal blocks, 1x1 head.

    ``fix_stem_head`` keeps stem and head widths and the repeats of the first and last stage, as
    EfficientNet-Lite does. ``resolution`` is the side of the square input in pixels. ``trained``
    says where its weights were proven; it is no part of the network, so equality leaves it out.
    """

    name: str
    stem_filters: int
    blocks: tuple[BlockArgs, ...]
    head_filters: int
    depth_divisor: int
    resolution: int
    activation: str
    fix_stem_head: bool = False
    trained: TrainedScore | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuses what is no network.

        Raises:
            ArchitectureError: no stages, stages that do not join, numbers out of range.
        """
        if not self.blocks:
            raise ArchitectureError(f"baseline '{self.name}': it has no blocks; name one at least")
        if self.activation not in ACTIVATIONS:
            raise ArchitectureError(
                f"baseline '{self.name}': activation '{self.activation}' is not known; relu,"
                " relu6, or swish for a network that is planned only"
            )
        for index, (before, after) in enumerate(zip(self.blocks, self.blocks[1:], strict=False)):
            if before.output_filters != after.input_filters:
                raise ArchitectureError(
                    f"baseline '{self.name}': stage {index + 1} reads i{after.input_filters}, but"
                    f" stage {index} gives o{before.output_filters}; they must be equal"
                )
        for value, what in (
            (self.stem_filters, "stem_filters"),
            (self.head_filters, "head_filters"),
            (self.depth_divisor, "depth_divisor"),
            (self.resolution, "resolution"),
        ):
            if not 1 <= value <= 100_000:
                raise ArchitectureError(
                    f"baseline '{self.name}': {what} is {value}; it must be from 1 to 100000"
                )

    @property
    def plan_only(self) -> str | None:
        """Why this network is counted but not built, as a clause; None for one that is built."""
        if any(block.se_ratio for block in self.blocks):
            return "squeeze and excite is not well supported by edge accelerators"  # Lite README
        if self.activation == "swish":
            return "swish quantises badly"  # Lite0 with swish: 46 % int8 of 75 % float
        return None


@dataclass(frozen=True)
class Published:
    """A published member: hand-rounded coefficients, not a power of phi."""

    width_coefficient: float
    depth_coefficient: float
    resolution: int
    dropout: float


def _imagenet(top1: float, source: str) -> TrainedScore:
    return TrainedScore(top1, "accuracy", "ImageNet (ILSVRC 2012) validation, 1000 classes", source)


def _blocks(*texts: str) -> tuple[BlockArgs, ...]:
    return tuple(parse_block(text) for text in texts)


# tensorflow/tpu models/official/efficientnet/edgetpu/efficientnet_edgetpu_builder.py
_EDGETPU = Baseline(
    name="efficientnet-edgetpu",
    stem_filters=32,
    blocks=_blocks(
        "r1_k3_s11_e4_i24_o24_c1_noskip",
        "r2_k3_s22_e8_i24_o32_c1",
        "r4_k3_s22_e8_i32_o48_c1",
        "r5_k5_s22_e8_i48_o96",
        "r4_k5_s11_e8_i96_o144",
        "r2_k5_s22_e8_i144_o192",
    ),
    head_filters=1280,
    depth_divisor=8,
    resolution=224,
    activation="relu",
    trained=_imagenet(0.7723, "tensorflow/tpu models/official/efficientnet/edgetpu/README.md"),
)

# tensorflow/tpu models/official/efficientnet/lite/efficientnet_lite_builder.py
_LITE = Baseline(
    name="efficientnet-lite",
    stem_filters=32,
    blocks=_blocks(
        "r1_k3_s11_e1_i32_o16",
        "r2_k3_s22_e6_i16_o24",
        "r2_k5_s22_e6_i24_o40",
        "r3_k3_s22_e6_i40_o80",
        "r3_k5_s11_e6_i80_o112",
        "r4_k5_s22_e6_i112_o192",
        "r1_k3_s11_e6_i192_o320",
    ),
    head_filters=1280,
    depth_divisor=8,
    resolution=224,
    activation="relu6",
    fix_stem_head=True,
    trained=_imagenet(0.751, "tensorflow/tpu models/official/efficientnet/lite/README.md"),
)

# tensorflow/tpu models/official/efficientnet/efficientnet_builder.py
_B = Baseline(
    name="efficientnet-b",
    stem_filters=32,
    blocks=_blocks(
        "r1_k3_s11_e1_i32_o16_se0.25",
        "r2_k3_s22_e6_i16_o24_se0.25",
        "r2_k5_s22_e6_i24_o40_se0.25",
        "r3_k3_s22_e6_i40_o80_se0.25",
        "r3_k5_s11_e6_i80_o112_se0.25",
        "r4_k5_s22_e6_i112_o192_se0.25",
        "r1_k3_s11_e6_i192_o320_se0.25",
    ),
    head_filters=1280,
    depth_divisor=8,
    resolution=224,
    activation="swish",
    trained=_imagenet(0.771, "Tan & Le 2019 (arXiv 1905.11946), Table 2"),
)

BASELINES: dict[str, Baseline] = {baseline.name: baseline for baseline in (_EDGETPU, _LITE, _B)}

PUBLISHED: dict[str, Mapping[str, Published]] = {
    "efficientnet-edgetpu": {  # width, depth, resolution, dropout
        "s": Published(1.0, 1.0, 224, 0.2),
        "m": Published(1.0, 1.1, 240, 0.2),
        "l": Published(1.2, 1.4, 300, 0.3),
    },
    "efficientnet-lite": {
        "lite0": Published(1.0, 1.0, 224, 0.2),
        "lite1": Published(1.0, 1.1, 240, 0.2),
        "lite2": Published(1.1, 1.2, 260, 0.3),
        "lite3": Published(1.2, 1.4, 280, 0.3),
        "lite4": Published(1.4, 1.8, 300, 0.3),
    },
    "efficientnet-b": {
        "b0": Published(1.0, 1.0, 224, 0.2),
        "b1": Published(1.0, 1.1, 240, 0.2),
        "b2": Published(1.1, 1.2, 260, 0.3),
        "b3": Published(1.2, 1.4, 300, 0.3),
        "b4": Published(1.4, 1.8, 380, 0.4),
        "b5": Published(1.6, 2.2, 456, 0.4),
        "b6": Published(1.8, 2.6, 528, 0.5),
        "b7": Published(2.0, 3.1, 600, 0.5),
    },
}


def find_baseline(name: str) -> Baseline:
    """Returns a baseline by name.

    Raises:
        ArchitectureError: there is none; the message lists those there are.
    """
    if name not in BASELINES:
        raise ArchitectureError(
            f"baseline '{name}' is not known; there are {', '.join(sorted(BASELINES))}"
        )
    return BASELINES[name]


def find_published(baseline: Baseline, name: str) -> Published:
    """Returns the published coefficients of one member of a baseline's family.

    Raises:
        ArchitectureError: there is none; the message lists those there are.
    """
    known_by_name = BASELINES.get(baseline.name) == baseline  # a file may carry the name too
    members = PUBLISHED[baseline.name] if known_by_name else {}
    if name not in members:
        known = ", ".join(members) or "none"
        raise ArchitectureError(
            f"baseline '{baseline.name}' has no published variant '{name}'; published: {known}"
        )
    return members[name]
