"""Where transformers look: outlines, overlaps, and the similarity that is fitted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.evaluation import windows
from experiments.evaluation.windows import CORNERS, Similarity
from stn_keras.transforms import Affine
from stn_keras.transforms import Similarity as SimilarityFamily

SIZE = (48, 64)


@pytest.mark.parametrize("align_corners", [False, True])
def test_an_untrained_transformer_reads_the_whole_image(align_corners):
    transform = Affine(align_corners=align_corners)
    read = windows.read_at(transform, transform.identity[None], CORNERS, SIZE)[0]
    edge = 0.0 if align_corners else 0.5
    left, upper, right, lower = -edge, -edge, 63 + edge, 47 + edge
    expected = [[left, upper], [right, upper], [right, lower], [left, lower]]
    np.testing.assert_allclose(read, expected, atol=1e-4)


def test_an_outline_goes_round_by_way_of_the_corners():
    points = windows.outline(5)
    assert points.shape == (20, 2)
    np.testing.assert_array_equal(points[::5], CORNERS)
    assert (np.abs(points).max(1) == 1).all()
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.4, rtol=1e-5)


@given(x=st.floats(-3, 3), y=st.floats(-3, 3), width=st.floats(0.1, 4), height=st.floats(0.1, 4))
def test_overlap_of_upright_boxes_is_that_of_intervals(x, y, width, height):
    other = CORNERS * [width / 2, height / 2] + [x, y]
    shared = 1.0
    for middle, side in ((x, width), (y, height)):
        shared *= max(0.0, min(1, middle + side / 2) - max(-1, middle - side / 2))
    expected = shared / (4 + width * height - shared)
    for one, two in ((CORNERS, other), (other, CORNERS), (CORNERS[::-1], other)):
        np.testing.assert_allclose(windows.overlap(one[None], two[None]), expected, atol=1e-6)


def test_a_window_that_is_none_overlaps_nothing():
    assert windows.overlap(np.zeros((1, 4, 2)), CORNERS[None]) == 0


@settings(max_examples=10)
@given(
    scale=st.floats(0.5, 1.8),
    degrees=st.floats(-25, 25),
    shift=st.floats(-0.3, 0.3),
    seed=st.integers(0, 9),
)
def test_one_similarity_makes_good_what_labels_do_not_say(scale, degrees, shift, seed):
    """Windows that are off by the same similarity in every image enclose the objects after it."""
    rng = np.random.default_rng(seed)
    family, size = SimilarityFamily(), (64, 64)
    theta = rng.uniform([0.2, -0.5, -0.4, -0.4], [0.6, 0.5, 0.4, 0.4], (6, 4)).astype("float32")
    objects = windows.read_at(family, theta, Similarity(scale, degrees, shift, 0.0)(CORNERS), size)

    def score(similarity):
        read = windows.read_at(family, theta, similarity(CORNERS), size)
        return float(windows.overlap(read, objects).mean())

    assert score(windows.fit(score)) > 0.98


def test_what_is_measured_says_both_figures():
    theta = np.tile(Affine().window(extent=0.5), (4, 1)).astype("float32")
    larger = np.tile(Affine().window(extent=0.25), (4, 1)).astype("float32")
    parts = {"validation": theta, "test": theta}
    found = windows.measure(Affine(), parts, larger, larger, (64, 64))
    assert found["raw"] == pytest.approx(0.25, abs=1e-3)
    assert found["fitted"] > 0.99
    assert found["similarity"]["scale"] == pytest.approx(0.5, abs=0.01)
