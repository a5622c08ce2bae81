"""Reads a baseline that a person wrote: a TOML file of its own, or the table of a recipe.

A stage holds blocks of one operation and one shape, because scaling repeats them (US20200234132A1:
all layers of a stage share their operation). A stage may list its blocks one by one; they are
proven to be alike and become one.
"""

from dataclasses import replace
from pathlib import Path

from edgescale.architecture.baseline import (
    ACTIVATIONS,
    BASELINES,
    METRICS,
    Baseline,
    TrainedScore,
    find_baseline,
)
from edgescale.architecture.block import BlockArgs, parse_block
from edgescale.builder.toml_file import parse_toml
from edgescale.errors import ArchitectureError, RecipeError
from edgescale.family.fields import Fields, did_you_mean

OPERATIONS = ("FusedConv", "MBConv")
_SPELLED_OUT = ("stem_filters", "blocks", "head_filters", "resolution")
_KEYS = ("name", "file", "stages", *_SPELLED_OUT, "depth_divisor", "activation", "fix_stem_head",
         "trained")  # fmt: skip
_MOST = 100_000


def read_baseline(path: Path) -> Baseline:
    """Reads a baseline from a TOML file; one spelled out without a name has the file's.

    Raises:
        RecipeError: unreadable, not TOML, or no baseline.
    """
    fields = Fields(parse_toml(path), path.name, RecipeError)
    if fields.has("baseline"):
        raise RecipeError(
            f"{path.name}: 'baseline' is a table of a recipe; in a file of its own a baseline's"
            " keys stand without [baseline]"
        )
    try:
        return baseline_from_table(fields, default_name=path.stem[:100])
    except ArchitectureError as problem:
        raise RecipeError(f"{path.name}: {problem}") from problem


def baseline_from_table(fields: Fields, *, default_name: str = "custom") -> Baseline:
    """Reads a baseline from its table: the name of a known one, or a network spelled out.

    Raises:
        RecipeError: an unknown, missing or malformed key, or a stage whose blocks differ.
        ArchitectureError: stages that make no network.
    """
    name = fields.text("name", None, longest=100)
    fields.refuse_unknown(_KEYS)
    if name in BASELINES:
        beside = [key for key in fields.names() if key != "name"]
        if beside:
            raise RecipeError(
                f"{fields.where}: '{name}' is the name of a known network, which takes no"
                f" '{beside[0]}'; give the name alone, or another name to a network of your own"
            )
        baseline = find_baseline(name)
    elif not any(fields.has(key) for key in ("stages", *_SPELLED_OUT)):
        raise RecipeError(_nothing_to_scale(fields.where, name))
    else:
        baseline = Baseline(
            name=name or default_name,
            stem_filters=fields.integer("stem_filters", low=1, high=_MOST),
            blocks=_stages(fields),
            head_filters=fields.integer("head_filters", low=1, high=_MOST),
            depth_divisor=fields.integer("depth_divisor", 8, low=1, high=1_000),
            resolution=fields.integer("resolution", low=1, high=4_096),
            activation=fields.text("activation", "relu", choices=ACTIVATIONS),
            fix_stem_head=fields.boolean("fix_stem_head", False),
            trained=_trained(fields.optional_table("trained")),
        )
    fields.close()
    return baseline


def _nothing_to_scale(where: str, name: str | None) -> str:
    spelled_out = f"spell the network out with {', '.join(_SPELLED_OUT)}"
    if name is None:
        return f"{where}: no network; give name = one of {', '.join(BASELINES)}, or {spelled_out}"
    return f"{where}.name: '{name}' is not known{did_you_mean(name, BASELINES)} (or {spelled_out})"


def _stages(fields: Fields) -> tuple[BlockArgs, ...]:
    """Returns the stages, given as ``blocks`` (a block string each) or as tables."""
    if not fields.has("stages"):
        fields.take("stages", None)
        return tuple(parse_block(text) for text in fields.texts("blocks", most=100))
    if fields.has("blocks"):
        raise RecipeError(f"{fields.where}: give either blocks or stages, not both")
    fields.take("blocks", None)
    return tuple(_stage(stage) for stage in fields.tables("stages", most=100))


def _stage(fields: Fields) -> BlockArgs:
    if fields.has("blocks"):
        blocks = tuple(parse_block(text) for text in fields.texts("blocks", most=1_000))
        fields.close()
        return _one_stage(blocks, fields.where)
    stage = BlockArgs(
        num_repeat=fields.integer("repeats", 1, low=1, high=_MOST),
        kernel_size=fields.integer("kernel_size", low=1, high=_MOST),
        stride=fields.integer("stride", 1, low=1, high=2),
        expand_ratio=fields.integer("expand_ratio", low=1, high=_MOST),
        input_filters=fields.integer("input_filters", low=1, high=_MOST),
        output_filters=fields.integer("output_filters", low=1, high=_MOST),
        fused=fields.text("operation", choices=OPERATIONS) == "FusedConv",
        id_skip=fields.boolean("residual", True),
    )
    if stage.kernel_size % 2 == 0:
        raise fields.refuse("kernel_size", "an odd number")
    fields.close()
    return stage


def _one_stage(blocks: tuple[BlockArgs, ...], where: str) -> BlockArgs:
    """Makes one stage of blocks listed one by one.

    Raises:
        RecipeError: they are not alike; names the first that differs and in what.
    """
    if not blocks:
        raise RecipeError(f"{where}.blocks: expected one block at least")
    first = blocks[0]
    for number, block in enumerate(blocks[1:], start=2):
        fault = _difference(first, block)
        if fault:
            raise RecipeError(
                f"{where}: block {number} {fault}; the blocks of a stage must be alike, give what"
                " differs a stage of its own"
            )
    return replace(first, num_repeat=sum(block.num_repeat for block in blocks))


def _difference(first: BlockArgs, block: BlockArgs) -> str | None:
    """Says how a later block of a stage differs; only the first may stride or change channels."""
    if block.fused != first.fused:
        kinds = [OPERATIONS[0] if one.fused else OPERATIONS[1] for one in (block, first)]
        return f"has operation {kinds[0]}, block 1 {kinds[1]}"
    for key, what in (
        ("kernel_size", "kernel size"),
        ("expand_ratio", "expand ratio"),
        ("id_skip", "residual"),
        ("se_ratio", "squeeze and excite"),
    ):
        if getattr(block, key) != getattr(first, key):
            return f"has {what} {getattr(block, key)}, block 1 {getattr(first, key)}"
    if block.stride != 1:
        return f"has stride {block.stride}, which only block 1 may have"
    if (block.input_filters, block.output_filters) != (first.output_filters,) * 2:
        return (
            f"goes from {block.input_filters} to {block.output_filters} channels, block 1 gives"
            f" {first.output_filters}"
        )
    return None


def _trained(fields: Fields | None) -> TrainedScore | None:
    if fields is None:
        return None
    score = TrainedScore(
        score=fields.number("score", low=0, high=1),
        metric=fields.text("metric", "accuracy", choices=METRICS),
        task=fields.text("task", longest=200),
        source=fields.text("source", longest=200),
    )
    fields.close()
    return score
