"""The Keras walk: parameter counts, weights in and out, and what training adds."""

import numpy as np
import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.network import Architecture, build_architecture
from edgescale.builder.network import (
    check_parameters,
    export_model,
    set_weights,
    training_model,
    weights_of,
)
from edgescale.builder.weights import fresh_weights
from edgescale.errors import BuildError
from edgescale.scaling.variant import published

pytestmark = pytest.mark.tensorflow

TINY = Baseline(
    "tiny",
    8,
    (parse_block("r2_k3_s11_e4_i8_o8_c1"), parse_block("r2_k5_s22_e4_i8_o12")),
    16,
    4,
    16,
    "relu6",
)


def tiny(classes: int = 3) -> Architecture:
    return build_architecture(TINY, width=1, depth=1, resolution=16, classes=classes)


@pytest.mark.parametrize(
    ("baseline", "name"), [("efficientnet-edgetpu", "m"), ("efficientnet-lite", "lite1")]
)
def test_keras_counts_the_parameters_that_were_counted_without_it(baseline: str, name: str) -> None:
    architecture = published(find_baseline(baseline), name).architecture
    check_parameters(export_model(architecture), architecture)


def test_a_model_of_another_network_is_refused() -> None:
    with pytest.raises(BuildError, match="trainable and total parameters"):
        check_parameters(export_model(tiny(3)), tiny(4))


def test_a_network_that_is_only_planned_is_refused() -> None:
    architecture = published(find_baseline("efficientnet-b"), "b0").architecture
    with pytest.raises(BuildError, match="the activation 'swish' is counted and planned"):
        export_model(architecture)


def test_weights_go_in_and_come_out() -> None:
    weights = fresh_weights(tiny(), seed=1)
    model = training_model(tiny(), dropout=0.2, drop_connect=0.2, momentum=0.9, seed=1)
    check_parameters(model, tiny())
    set_weights(model, tiny(), weights)
    found = weights_of(model, tiny())
    assert list(found) == list(weights)
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_every_layer_of_the_record_is_used_and_scores_sum_to_one() -> None:
    model = export_model(tiny())
    set_weights(model, tiny(), fresh_weights(tiny(), seed=1))
    names = {layer.name for layer in model.layers}
    assert {layer.name for layer in tiny().layers} <= names
    image = np.random.RandomState(0).rand(1, 16, 16, 3).astype(np.float32)
    scores = model(image).numpy()
    assert scores.shape == (1, 3)
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    for layer in tiny().layers:
        if layer.operation in ("conv", "depthwise", "add"):
            assert tuple(model.get_layer(layer.name).output.shape[1:]) == layer.output_shape


def test_dropout_acts_in_training_only() -> None:
    model = training_model(tiny(), dropout=0.5, drop_connect=0.5, momentum=0.9, seed=1)
    set_weights(model, tiny(), fresh_weights(tiny(), seed=1))
    image = np.random.RandomState(0).rand(4, 16, 16, 3).astype(np.float32)
    assert np.array_equal(model(image, training=False), model(image, training=False))
    assert not np.array_equal(model(image, training=True), model(image, training=True))
