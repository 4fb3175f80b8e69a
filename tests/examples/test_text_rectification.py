"""The example that straightens text: its pictures, its splines, and what it makes of words."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

PATH = Path(__file__).parents[2] / "examples" / "text_rectification.py"
pytest.importorskip("matplotlib", reason="the optional matplotlib brings fonts")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("text_rectification", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_straight_line_lies_in_the_picture_s_middle(example, rng):
    lines = np.full((3, *example.MASTER, 1), 255, "uint8")
    xy = example.arcs(3, 0, rng)
    assert xy.shape == (3, 80, 200, 2)
    # The line's middle is read in the picture's, and neither is turned.
    np.testing.assert_allclose(xy[:, 39:41, 99:101].mean((1, 2)), [[79.5, 23.5]] * 3, atol=0.1)
    np.testing.assert_allclose(np.diff(xy[..., 1], axis=2), 0, atol=0.01)
    pictures = example.photograph(lines, 0, rng)
    assert pictures.shape == (3, 80, 200, 1)
    assert pictures.dtype == "float32"
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_a_bent_line_stays_whole_in_the_picture(example, rng):
    """Each end and each margin of every line is somewhere in its picture."""
    xy = example.arcs(200, 1, rng)
    rows, columns = example.MASTER
    for axis, side in ((0, columns), (1, rows)):
        assert (xy[..., axis].min((1, 2)) <= 0.1 * side).mean() > 0.95
        assert (xy[..., axis].max((1, 2)) >= 0.9 * side).mean() > 0.95


def test_words_become_numbers_and_come_back(example):
    words = ["abz", "hello", "aab"]
    labels = example.as_labels(words)
    assert labels[0].tolist() == [1, 2, 26, 0, 0, 0, 0, 0]
    # Each letter at two places, with a blank between equal neighbors.
    scores = np.zeros((3, 25, 27))
    for row, word in enumerate(words):
        for place, letter in enumerate(word):
            scores[row, 3 * place : 3 * place + 2, 1 + example.LETTERS.index(letter)] = 1
    assert example.decode(scores) == words
    assert example.word_error(["abz", "helo", "aab"], words) == pytest.approx(100 / 3)


def test_words_fill_their_lines(example, rng):
    lines, words = example.straight_words(5, example.find_fonts(), rng)
    assert all(3 <= len(word) <= 8 for word in words)
    # Fonts differ from machine to machine, some with wide gaps between thin letters.
    for inked in (lines[..., 0] > 64).any(1):
        places = np.flatnonzero(inked) / example.MASTER[1]
        assert places[0] < 0.2
        assert places[-1] > 0.8


def test_before_training_the_spline_reads_where_straight_text_has_its_margins(example, rng):
    model = example.rectified()
    transformer = model.get_layer("spatial_transformer")
    pictures = rng.random((2, *example.PICTURE), "float32")
    xy = transformer.transform.source_coordinates(
        ops.convert_to_tensor(transformer.predict_theta(pictures)),
        output_size=example.LINE,
        input_size=example.PICTURE[:2],
    )
    xy = ops.convert_to_numpy(xy)
    assert 4 < xy[..., 0].min() < 7
    assert 11 < xy[..., 1].min() < 14
    assert model.output_shape == example.alone().output_shape == (None, 25, 27)


@pytest.mark.slow
def test_both_learn_from_words_alone(example):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    batches = example.Photographs(*example.straight_words(64, example.find_fonts()[:1], rng), 16)
    for build in (example.alone, example.rectified):
        model = build()
        example.train(model, batches, epochs=3)
        losses = model.history.history["loss"]
        assert losses[-1] < losses[0]
