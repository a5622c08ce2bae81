"""The environment TensorFlow is imported in, without importing it."""

import os

import pytest

from edgescale.builder.tensorflow_setup import set_environment


def test_the_users_environment_does_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
    }
    for name in wanted:
        monkeypatch.setenv(name, "0")
    set_environment()
    assert {name: os.environ[name] for name in wanted} == wanted
