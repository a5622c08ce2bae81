"""Block strings, the field's notation for one stage: ``r2_k3_s22_e8_i24_o32_c1``.

The codec of tensorflow/tpu (efficientnet_builder.BlockDecoder) accepts junk and cannot encode what
it decoded; this one refuses every token it does not know and round-trips.
"""

import re
from dataclasses import dataclass

from edgescale.errors import ArchitectureError

_TOKENS = {
    "r": "repeats",
    "k": "kernel size",
    "s": "stride, twice",
    "e": "expansion ratio",
    "i": "input filters",
    "o": "output filters",
    "c1": "FusedConv",
    "se": "share of squeeze and excite, e.g. se0.25",
    "noskip": "no residual",
}
_REQUIRED = ("r", "k", "s", "e", "i", "o")
_LARGEST = 100_000


@dataclass(frozen=True)
class BlockArgs:
    """One stage of equal blocks; the stride and the change of channels belong to its first block.

    ``fused`` is a FusedConv (regular convolution, then pointwise), otherwise an MBConv (pointwise,
    depthwise, pointwise). ``input_filters`` is the declared width from which the expansion of the
    first block is computed, even where the real input is wider (EfficientNet-EdgeTPU's stage 1).
    ``se_ratio`` is the width of squeeze and excite as a share of the block's declared input; 0 is
    none.
    """

    num_repeat: int
    kernel_size: int
    stride: int
    expand_ratio: int
    input_filters: int
    output_filters: int
    fused: bool = False
    id_skip: bool = True
    se_ratio: float = 0.0


def parse_block(text: str) -> BlockArgs:
    """Reads one block string.

    Raises:
        ArchitectureError: an unknown, missing, doubled or senseless token.
    """
    values: dict[str, str] = {}
    for token in text.split("_"):
        key, digits = _token(token, text)
        if key in values:
            raise ArchitectureError(f"block string '{text}': '{key}' stands there twice")
        values[key] = digits
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise ArchitectureError(
            f"block string '{text}': '{missing[0]}' ({_TOKENS[missing[0]]}) is missing; a block"
            " reads like r1_k3_s11_e4_i24_o24_c1_noskip"
        )
    return BlockArgs(
        num_repeat=int(values["r"]),
        kernel_size=int(values["k"]),
        stride=int(values["s"]),
        expand_ratio=int(values["e"]),
        input_filters=int(values["i"]),
        output_filters=int(values["o"]),
        fused="c1" in values,
        id_skip="noskip" not in values,
        se_ratio=float(values.get("se", 0)),
    )


def format_block(block: BlockArgs) -> str:
    """Writes one block string; ``parse_block`` reverses it."""
    text = (
        f"r{block.num_repeat}_k{block.kernel_size}_s{block.stride}{block.stride}"
        f"_e{block.expand_ratio}_i{block.input_filters}_o{block.output_filters}"
    )
    text += f"_se{block.se_ratio:g}" if block.se_ratio else ""
    return text + ("_c1" if block.fused else "") + ("" if block.id_skip else "_noskip")


def _token(token: str, text: str) -> tuple[str, str]:
    if token in ("c1", "noskip"):
        return token, ""
    if token.startswith("se"):
        return "se", _share(token, text)
    match = re.fullmatch(r"([rkseio])([0-9]{1,6})", token)
    if match is None:
        known = ", ".join(f"{key} ({meaning})" for key, meaning in _TOKENS.items())
        raise ArchitectureError(f"block string '{text}': token '{token}' is not known: {known}")
    key, digits = match.groups()
    if key == "s":
        if digits not in ("11", "22"):
            raise ArchitectureError(f"block string '{text}': stride '{token}' must be s11 or s22")
        return key, digits[0]
    number = int(digits)
    if not 1 <= number <= _LARGEST or (key == "k" and number % 2 == 0):
        raise ArchitectureError(
            f"block string '{text}': '{token}' must be at least 1"
            + (" and odd" if key == "k" else f" and at most {_LARGEST}")
        )
    return key, digits


def _share(token: str, text: str) -> str:
    share = token.removeprefix("se")
    if not re.fullmatch(r"0\.[0-9]{1,4}|1", share) or not float(share):
        raise ArchitectureError(
            f"block string '{text}': '{token}' must be above 0 and at most 1, like se0.25"
        )
    return share
