"""The example that learns to align digits does so, on embedded ones."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.sources import load_source

PATH = Path(__file__).parents[2] / "examples" / "learned_registration.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("learned_registration", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dice_and_folds_are_what_they_say(example):
    masks = np.zeros((1, 4, 4, 1), bool)
    masks[0, :2] = True
    assert example.dice(masks, masks) == 1
    assert example.dice(masks, ~masks) == 0
    flow = np.zeros((1, 8, 8, 2))
    assert example.folded(flow) == 0
    flow[..., 0] = -2 * np.arange(8)  # columns run backwards
    assert example.folded(flow) == 1


def test_an_untrained_network_moves_next_to_nothing(example, rng):
    images = [rng.random((2, 32, 32, 1), "float32") for _ in range(2)]
    aligned, flow = example.network().predict(images, verbose=0)
    assert np.abs(flow).max() < 0.05
    np.testing.assert_allclose(aligned, images[0], atol=0.1)


@pytest.mark.slow
def test_it_learns(example, monkeypatch, capsys, tmp_path):
    source = load_source("digits")
    np.savez(
        tmp_path / "digits.npz",
        x_train=source.train_images[..., 0],
        y_train=source.train_labels,
        x_test=source.test_images[..., 0],
        y_test=source.test_labels,
    )
    picture, digits = tmp_path / "pairs.png", tmp_path / "digits.npz"
    options = ["--epochs", "2", "--picture", str(picture), "--mnist", str(digits)]
    monkeypatch.setattr(sys, "argv", ["example", *options])
    example.main()
    words = capsys.readouterr().out.split()
    before, after = float(words[words.index("before:") + 1]), words[words.index("after:") + 1]
    assert float(after.rstrip(",")) > before + 0.05
    assert picture.exists()
