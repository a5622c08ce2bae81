"""The block-string codec: round trip, and refusal of everything it does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.architecture.baseline import BASELINES
from edgescale.architecture.block import BlockArgs, format_block, parse_block
from edgescale.errors import ArchitectureError

BLOCKS = st.builds(
    BlockArgs,
    num_repeat=st.integers(1, 99),
    kernel_size=st.sampled_from([1, 3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    expand_ratio=st.integers(1, 12),
    input_filters=st.integers(1, 4096),
    output_filters=st.integers(1, 4096),
    fused=st.booleans(),
    id_skip=st.booleans(),
    se_ratio=st.integers(0, 10_000).map(lambda share: share / 10_000),
)


@given(BLOCKS)
def test_every_block_survives_the_round_trip(block: BlockArgs) -> None:
    assert parse_block(format_block(block)) == block


def test_the_published_strings_are_written_back_to_the_letter() -> None:
    texts = [format_block(block) for block in BASELINES["efficientnet-edgetpu"].blocks]
    assert texts[0] == "r1_k3_s11_e4_i24_o24_c1_noskip"
    assert texts[5] == "r2_k5_s22_e8_i144_o192"
    assert [format_block(parse_block(text)) for text in texts] == texts


def test_squeeze_and_excite_is_a_share() -> None:
    text = "r2_k5_s22_e6_i24_o40_se0.25"
    assert parse_block(text).se_ratio == 0.25
    assert format_block(parse_block(text)) == text
    assert format_block(parse_block("r2_k5_s22_e6_i24_o40_se1")).endswith("_se1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "token ''", id="empty"),
        pytest.param("r1_k3_s11_e4_i24", "'o'", id="output filters missing"),
        pytest.param("k3_s11_e4_i24_o24", "'r'", id="repeats missing"),
        pytest.param("r1_k3_s11_e4_i24_o24_bogus7", "bogus7", id="unknown token"),
        pytest.param("r1_r2_k3_s11_e4_i24_o24", "twice", id="doubled token"),
        pytest.param("r1_k3_s12_e4_i24_o24", "s12", id="unequal strides"),
        pytest.param("r1_k4_s11_e4_i24_o24", "odd", id="even kernel"),
        pytest.param("r0_k3_s11_e4_i24_o24", "at least 1", id="no repeats"),
        pytest.param("r1_k3_s11_e1.5_i24_o24", "e1.5", id="fraction"),
        pytest.param("r1_k3_s11_e-4_i24_o24", "e-4", id="negative"),
        pytest.param("r1_k3_s11_e4_i24_o24_c2", "c2", id="unknown convolution"),
        pytest.param("r1_k3_s11_e4_i24_o24_se1.5", "se1.5", id="squeeze and excite above 1"),
        pytest.param("r1_k3_s11_e4_i24_o24_se0.0", "se0.0", id="squeeze and excite of nothing"),
        pytest.param("r1_k3_s11_e4_i24_o24_se", "'se'", id="squeeze and excite without a share"),
        pytest.param("r1_k3_s11_e4_i24_o24_se0.25_se0.5", "twice", id="doubled share"),
        pytest.param("r1_k3_s11_e4_i9999999_o24", "i9999999", id="too many filters"),
    ],
)
def test_junk_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(ArchitectureError, match="block string") as caught:
        parse_block(text)
    assert complaint in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    try:
        parse_block(text)
    except ArchitectureError:
        pass
