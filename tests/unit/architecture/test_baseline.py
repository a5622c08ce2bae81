"""The baselines as data: their networks stay what they were, and what is known beside them."""

from dataclasses import replace

import pytest

from edgescale.architecture.baseline import (
    BASELINES,
    Baseline,
    TrainedScore,
    find_baseline,
    find_published,
)
from edgescale.architecture.block import parse_block
from edgescale.errors import ArchitectureError
from edgescale.scaling.variant import scale

SMALL = Baseline(
    name="edgetpu-tiny",
    stem_filters=8,
    blocks=tuple(
        parse_block(text)
        for text in (
            "r1_k3_s11_e4_i8_o8_c1_noskip",
            "r2_k3_s22_e4_i8_o16_c1",
            "r2_k3_s22_e4_i16_o24_c1",
            "r2_k3_s11_e4_i24_o32",
        )
    ),
    head_filters=64,
    depth_divisor=4,
    resolution=32,
    activation="relu",
)
# Families in use were built from these networks; another digest would build them anew.
DIGESTS = {  # name: digests at phi -1, 0, 1
    "efficientnet-edgetpu": (
        "79fe39272abb3b32f0cb157c38898cec2dfbb44af5bf2c5ad74d3dc87578973a",
        "c922a268876f6a259d7ac50bafc5272b34cf760f1d0d4f95ee19efd50378a2d5",
        "8cfabc3cf532b7e04b4edfb2c479a2403698f1f039c1fd75d5ea36b08d674082",
    ),
    "efficientnet-lite": (
        "18578379f20be10dc65379d6d979f3eeb613af3d634a4aa9aa6371f316b5c580",
        "d1f116ea347a4f32c15d583c4667901eb0893db9b580dfb573c379a741a6db42",
        "32dceb1f1be94b245b8484fae3ead8380e2c317f72c6d67e09628943e0db11a5",
    ),
    "edgetpu-tiny": (
        "1059d19a330a701a3f5f2face1c0e441d5ccdf3029000fc940b646bf71e245eb",
        "35fc6585c485ed374ffcb4da56edf728c508f9592b1cbfee7a3e045109406bc9",
        "56a50b19560d6a7178532eea3d05138981955e1538be2814f823f78ac0f29069",
    ),
}


@pytest.mark.parametrize("name", list(DIGESTS))
def test_known_networks_keep_their_digest(name: str) -> None:
    baseline = {**BASELINES, SMALL.name: SMALL}[name]
    classes = 10 if baseline is SMALL else 1000
    variants = [scale(baseline, phi, classes=classes) for phi in (-1, 0, 1)]
    assert tuple(variant.architecture.digest for variant in variants) == DIGESTS[name]


@pytest.mark.parametrize(
    ("name", "top1"),
    [("efficientnet-edgetpu", 0.7723), ("efficientnet-lite", 0.751), ("efficientnet-b", 0.771)],
)
def test_the_published_baselines_say_how_well_they_were_trained(name: str, top1: float) -> None:
    trained = find_baseline(name).trained
    assert trained is not None
    assert (trained.score, trained.metric) == (top1, "accuracy")
    assert "ImageNet" in trained.task
    assert trained.source


def test_where_it_was_trained_is_no_part_of_a_network() -> None:
    trained = replace(SMALL, trained=TrainedScore(0.9, "accuracy", "digits", "a test"))
    assert trained == SMALL
    assert hash(trained) == hash(SMALL)
    assert scale(trained, 1).architecture == scale(SMALL, 1).architecture


@pytest.mark.parametrize(
    ("score", "metric", "complaint"),
    [(1.1, "accuracy", "1.1"), (float("nan"), "error", "nan"), (0.5, "perplexity", "perplexity")],
)
def test_what_is_no_score_is_refused(score: float, metric: str, complaint: str) -> None:
    with pytest.raises(ArchitectureError, match=complaint):
        TrainedScore(score, metric, "digits", "a test")


def test_a_network_that_quantises_badly_is_planned_only() -> None:
    assert find_baseline("efficientnet-edgetpu").plan_only is None
    assert find_baseline("efficientnet-lite").plan_only is None
    assert "squeeze and excite" in str(find_baseline("efficientnet-b").plan_only)
    assert "swish" in str(replace(SMALL, activation="swish").plan_only)


def test_an_unknown_published_name_lists_the_known() -> None:
    with pytest.raises(ArchitectureError, match="s, m, l"):
        find_published(find_baseline("efficientnet-edgetpu"), "xl")
    with pytest.raises(ArchitectureError, match="published: none"):
        find_published(SMALL, "s")
