"""Shared fixtures: arrays from a seed, and one tolerance per dtype."""

import os

# As the command lines do.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("JAX_ENABLE_X64", "1")
# Compiling takes longer than what is compiled runs.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import keras
import numpy as np
import pytest
from hypothesis import settings

from tests.support.arrays import COMPILES_EACH_SHAPE

settings.register_profile("default", deadline=None, max_examples=4 if COMPILES_EACH_SHAPE else 60)
settings.load_profile("default")


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that at the end no core waits for one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Every test, and what it shares with others, starts from the same seed."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    """A generator of the same numbers in every run."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _clean_keras():
    """No test leaves a policy or layer names behind."""
    yield
    keras.config.set_dtype_policy("float32")
    # Collecting garbage after each test would take longer than the tests.
    keras.backend.clear_session(free_memory=False)


@pytest.fixture
def quiet_training(monkeypatch):
    """Seeds the run alone: determinism of all operations cannot be taken back in this process."""
    from experiments.training import train as training

    monkeypatch.setattr(
        training, "make_reproducible", lambda settings: keras.utils.set_random_seed(settings.seed)
    )
