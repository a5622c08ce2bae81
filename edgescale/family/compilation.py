"""What the Edge TPU compiler made of a variant, as the manifest keeps it.

It holds no command, path or time: the same model and compiler give the same record.
"""

from dataclasses import dataclass

from edgescale.family.fields import Fields

MOST_OPTIONS = 100
LONGEST_OPTION = 1_000


@dataclass(frozen=True)
class Compilation:
    """Facts of a compiled model.

    Attributes:
        key: a hash of all that the compiled file depends on: model, compiler version, options.
        compiler_version: e.g. ``16.0.384591198``.
        options: what the compiler was told, without files and folders.
        on_chip_memory_used_bytes: parameters that stay in the Edge TPU's memory.
        off_chip_streaming_bytes: parameters that travel for every picture.
        ops_on_edgetpu: TFLite operators of the model that run on the Edge TPU.
        ops_on_cpu: those that do not.
        min_runtime_version: the oldest Edge TPU runtime that runs it.
    """

    key: str
    compiler_version: str
    options: tuple[str, ...]
    on_chip_memory_used_bytes: int
    off_chip_streaming_bytes: int
    ops_on_edgetpu: int
    ops_on_cpu: int
    min_runtime_version: int


def compilation_from(variant: Fields) -> Compilation | None:
    """Reads the compilation of a variant in a manifest, None where it is null.

    Raises:
        ManifestError: a key missing, unknown, of the wrong type or out of bounds.
    """
    if not variant.has("compilation"):
        variant.take("compilation")
        return None
    fields = variant.table("compilation")
    record = Compilation(
        key=fields.sha256("key"),
        compiler_version=fields.text("compiler_version", longest=100),
        options=fields.texts("options", most=MOST_OPTIONS, longest=LONGEST_OPTION),
        on_chip_memory_used_bytes=fields.integer("on_chip_memory_used_bytes"),
        off_chip_streaming_bytes=fields.integer("off_chip_streaming_bytes"),
        ops_on_edgetpu=fields.integer("ops_on_edgetpu", low=1),
        ops_on_cpu=fields.integer("ops_on_cpu"),
        min_runtime_version=fields.integer("min_runtime_version", high=1_000),
    )
    fields.close()
    return record
