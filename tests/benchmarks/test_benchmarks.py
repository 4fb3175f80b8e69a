"""What the benchmarks compare computes the same thing."""

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks import contestants, sampler, sampler_cells
from benchmarks.timing import times_faster
from stn_keras.ops import sample
from stn_keras.transforms import Affine

if keras.backend.backend() != "tensorflow":
    pytest.skip("the benchmark's textbook is TensorFlow", allow_module_level=True)

# Enlarged, so that nothing is read outside, where the textbook is wrong.
THETA = np.array([[0.5, 0.2, 0.1, -0.2, 0.4, 0.05], [0.3, 0.0, -0.2, 0.1, 0.6, 0.1]], "float32")


@pytest.fixture
def images(rng):
    return rng.random((2, 9, 8, 3), "float32")


def reference(images, align_corners):
    size = images.shape[1:3]
    coordinates = Affine(align_corners=align_corners).source_coordinates(
        THETA, output_size=size, input_size=size
    )
    return ops.convert_to_numpy(sample(images, coordinates))


@pytest.mark.parametrize(
    ("function", "align_corners"),
    [
        (contestants.ours, False),
        (contestants.ours_plain, False),
        (contestants.keras_map_coordinates, False),
        (contestants.keras_affine_transform, True),
        (contestants.textbook, True),
    ],
)
def test_keras_contestants_read_the_same_pixels(images, function, align_corners):
    run, tensor = contestants.keras_run(function, wrt=())
    result = run(tensor(images), tensor(THETA), None)
    np.testing.assert_allclose(result, reference(images, align_corners), atol=2e-5)


def test_torch_reads_the_same_pixels(images):
    pytest.importorskip("torch")
    run, tensor = contestants.torch_run(wrt=())
    result = run(tensor(images), tensor(THETA), None).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(result, reference(images, False), atol=2e-5)


@pytest.mark.parametrize("how", ["graph", "eager", "xla"])
@pytest.mark.parametrize("wrt", [("theta",), ("images", "theta")])
def test_gradients_of_ours_agree_with_torch(rng, images, wrt, how):
    pytest.importorskip("torch")
    upstream = rng.random(images.shape, "float32")
    run, tensor = contestants.keras_run(contestants.ours, wrt, how)
    ours = run(*map(tensor, (images, THETA, upstream)))
    run, tensor = contestants.torch_run(wrt)
    theirs = run(*map(tensor, (images, THETA, upstream)))
    for mine, other in zip(ours, theirs, strict=True):
        other = other.numpy()
        other = other.reshape(2, 6) if other.shape == (2, 2, 3) else other.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def test_what_is_measured_on_a_gpu_runs_here():
    """With small shapes, and no kernels to count; tables are made of it."""
    pytest.importorskip("torch")
    thetas = sampler_cells.measure_thetas(rounds=1, shapes=[(1, 4, 4, 1)])
    assert {row["theta"] for row in thetas} == set(contestants.THETAS)
    assert all(row["part_of_copy"]["ours"] > 0 for row in thetas)
    table = sampler.thetas_table({"thetas": thetas})
    assert "1x4x4x1, full gradient, outside" in table
    launches = sampler_cells.count_launches([(1, 4, 4, 1)])
    assert {row["launches"] for row in launches} == {0}
    assert "1x4x4x1, forward | torch" in " ".join(
        sampler.launches_table({"launches": launches}).split()
    )


def test_ratios_are_taken_round_by_round():
    seconds = {"torch": [4.0, 6.0, 100.0], "ours": [2.0, 2.0, 50.0]}
    assert times_faster(seconds, "ours", "torch") == 2.0
