import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.inference.scores import dequantised, top_k


def test_takes_the_largest_and_dequantises_them() -> None:
    scores = np.array([3, 200, 0, 55], np.uint8)
    best, values = top_k(scores, 2, kind="softmax", scale=1 / 256, zero_point=0)
    assert best.tolist() == [1, 3]
    assert values.tolist() == [200 / 256, 55 / 256]


def test_equal_scores_go_by_index_as_argmax_has_it() -> None:
    scores = np.array([0, 7, 7, 7, 0, 7], np.int8)
    assert top_k(scores, 3, kind="softmax", scale=1, zero_point=0)[0].tolist() == [1, 2, 3]


def test_widens_before_taking_off_the_zero_point() -> None:
    assert dequantised(np.array([0, 255], np.uint8), scale=0.5, zero_point=128).tolist() == [
        -64.0, 63.5
    ]  # fmt: skip
    assert dequantised(np.array([-128], np.int8), scale=1, zero_point=127).tolist() == [-255.0]


def test_logits_become_probabilities_over_all_outputs() -> None:
    logits = np.array([10, 20, 30], np.uint8)
    best, values = top_k(logits, 1, kind="logits", scale=0.1, zero_point=0)
    assert best.tolist() == [2]
    assert values[0] == pytest.approx(1 / (1 + np.exp(-1.0) + np.exp(-2.0)))


def test_gives_fewer_where_there_are_fewer_and_takes_floats() -> None:
    best, values = top_k(np.array([0.1, 0.9], np.float32), 5, kind="softmax", scale=0, zero_point=0)
    assert best.tolist() == [1, 0]
    assert values == pytest.approx([0.9, 0.1])


@given(st.lists(st.integers(0, 255), min_size=1, max_size=60), st.integers(1, 8))
def test_agrees_with_a_full_sort(values: list[int], k: int) -> None:
    scores = np.array(values, np.uint8)
    best, _ = top_k(scores, k, kind="softmax", scale=1, zero_point=0)
    assert best.tolist() == sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
