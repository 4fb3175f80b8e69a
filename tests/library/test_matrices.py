"""Computing with theta: round trips as laws, OpenCV as reference."""

import keras
import numpy as np
import pytest
from keras import ops

from stn_keras.ops import (
    compose,
    decompose,
    from_pixel_matrix,
    invert,
    sample,
    to_pixel_matrix,
)
from stn_keras.transforms import Affine, DecomposedAffine, Homography

pytestmark = pytest.mark.backend

SIZES = [((12, 12), (12, 12)), ((7, 12), (20, 9))]
IDENTITY = {6: np.eye(3)[:2], 8: np.eye(3).ravel()[:8]}


def random_theta(rng, parameters, count=5):
    identity = IDENTITY[parameters].ravel()
    return (identity + rng.normal(0, 0.15, (count, parameters))).astype("float32")


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("parameters", [6, 8])
def test_inverse_undoes(rng, parameters):
    theta = random_theta(rng, parameters)
    for left, right in ((theta, invert(theta)), (invert(theta), theta)):
        expected = np.broadcast_to(IDENTITY[parameters], (5, *IDENTITY[parameters].shape))
        np.testing.assert_allclose(as_numpy(compose(left, right)), expected, atol=1e-5)


@pytest.mark.parametrize("parameters", [6, 8])
def test_composition_moves_points_by_then_and_first(rng, parameters):
    transform = {6: Affine, 8: Homography}[parameters]()
    first, then = (random_theta(rng, parameters, 1) for _ in range(2))

    def moved(theta, points):
        square = np.append(np.asarray(theta).ravel(), [0, 0, 1][parameters - 9 :]).reshape(3, 3)
        image = points @ square.T
        return image / image[:, 2:]

    points = np.array([[0.3, -0.4, 1], [-0.9, 0.8, 1]])
    both = as_numpy(compose(first, then)).reshape(1, parameters)
    np.testing.assert_allclose(moved(both, points), moved(first, moved(then, points)), atol=1e-5)
    halves = np.array([9, 4])  # of an image of 8 x 18 pixels
    pixels = points[:, :2] * halves + halves - 0.5
    read = as_numpy(transform.source_points(both, pixels, input_size=(8, 18)))[0]
    expected = moved(both, points)[:, :2] * halves + halves - 0.5
    np.testing.assert_allclose(read, expected, atol=1e-4)


def test_composition_equals_warping_twice(rng):
    # Whole pixels, so that nothing is interpolated twice.
    images = rng.random((1, 8, 8, 1), "float32")
    shift, turn = [[1, 0, 0.25, 0, 1, 0]], [[0, -1, 0, 1, 0, 0]]

    def warp(images, theta):
        return sample(
            images,
            Affine().source_coordinates(
                np.asarray(theta, "float32"), output_size=(8, 8), input_size=(8, 8)
            ),
        )

    together = warp(images, as_numpy(compose(shift, turn)))
    np.testing.assert_allclose(
        as_numpy(warp(warp(images, shift), turn)), as_numpy(together), atol=1e-6
    )


def test_decomposition_multiplies_back(rng):
    theta = random_theta(rng, 6).astype("float64")
    parts = decompose(theta)
    sx, sy, degrees, shear, tx, ty = map(as_numpy, parts)
    for i in range(len(theta)):
        angle = np.deg2rad(degrees[i])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = rotation @ [[1, shear[i]], [0, 1]] @ np.diag([sx[i], sy[i]])
        rebuilt = np.column_stack([linear, [tx[i], ty[i]]])
        np.testing.assert_allclose(rebuilt, theta[i].reshape(2, 3), atol=1e-6)


def test_decomposed_affine_takes_the_parts(rng):
    theta = random_theta(rng, 6).reshape(5, 2, 3)
    sx, sy, degrees, shear, tx, ty = map(as_numpy, decompose(theta))
    parts = np.stack([sx, sy, np.deg2rad(degrees), shear, tx, ty], axis=-1)
    np.testing.assert_allclose(as_numpy(DecomposedAffine().to_affine(parts)), theta, atol=1e-6)


@pytest.mark.parametrize("parameters", [6, 8])
@pytest.mark.parametrize(("input_size", "output_size"), SIZES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_pixel_matrices_round_trip(rng, parameters, input_size, output_size, align_corners):
    theta = random_theta(rng, parameters)
    matrix = to_pixel_matrix(
        theta, input_size=input_size, output_size=output_size, align_corners=align_corners
    )
    again = from_pixel_matrix(
        matrix, input_size=input_size, output_size=output_size, align_corners=align_corners
    )
    np.testing.assert_allclose(as_numpy(again).reshape(theta.shape), theta, atol=1e-4)


@pytest.mark.parametrize("parameters", [6, 8])
@pytest.mark.parametrize(("input_size", "output_size"), SIZES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_pixel_matrix_reads_what_theta_reads(
    rng, parameters, input_size, output_size, align_corners
):
    transform = {6: Affine, 8: Homography}[parameters](align_corners=align_corners)
    theta = random_theta(rng, parameters, 1)
    matrix = as_numpy(
        to_pixel_matrix(
            theta, input_size=input_size, output_size=output_size, align_corners=align_corners
        )
    )[0]
    y, x = np.mgrid[: output_size[0], : output_size[1]]
    points = np.stack([x, y, np.ones_like(x)], -1) @ matrix.T
    expected = points[..., :2] / (points[..., 2:] if parameters == 8 else 1)
    ours = as_numpy(
        transform.source_coordinates(theta, output_size=output_size, input_size=input_size)
    )[0]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_opencv_takes_the_pixel_matrix(rng):
    cv2 = pytest.importorskip("cv2")
    image = cv2.GaussianBlur(rng.random((20, 30), "float32"), (0, 0), 2)
    theta = random_theta(rng, 6, 1)
    matrix = as_numpy(to_pixel_matrix(theta, input_size=(20, 30), output_size=(24, 16)))[0].astype(
        "float64"
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpAffine(image, matrix, (16, 24), flags=flags)
    coordinates = Affine().source_coordinates(theta, output_size=(24, 16), input_size=(20, 30))
    ours = as_numpy(sample(image[None, ..., None], coordinates))[0, ..., 0]
    np.testing.assert_allclose(ours, theirs, atol=0.02)  # OpenCV rounds to 1/32 of a pixel


@pytest.mark.parametrize("parameters", [6, 8])
def test_a_symbolic_theta_makes_a_model(rng, parameters):
    def everything(theta):
        matrix = to_pixel_matrix(theta, input_size=(7, 12), output_size=(20, 9))
        results = [
            compose(theta, theta),
            invert(theta),
            from_pixel_matrix(matrix, input_size=(7, 12)),
            matrix,
        ]
        return [*results, *(decompose(theta) if parameters == 6 else ())]

    symbolic, theta = keras.Input((parameters,)), random_theta(rng, parameters)
    results = keras.Model(symbolic, everything(symbolic))(theta)
    for result, expected in zip(results, everything(theta), strict=True):
        np.testing.assert_allclose(as_numpy(result), as_numpy(expected), rtol=1e-5, atol=1e-5)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="theta"):
        invert(np.zeros((1, 7), "float32"))
    with pytest.raises(ValueError, match="affine"):
        decompose(np.zeros((1, 8), "float32"))
    with pytest.raises(ValueError, match="no extent"):
        to_pixel_matrix(np.eye(3, dtype="float32")[None, :2], input_size=(1, 5), align_corners=True)
