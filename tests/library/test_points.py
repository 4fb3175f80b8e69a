"""Points and boxes through a warp, there and back."""

import keras
import numpy as np
import pytest
from keras import ops

from stn_keras import transforms
from stn_keras.ops import (
    sample,
    theta_from_boxes,
    transform_boxes,
    transform_points,
    warp,
)
from tests.support.arrays import EXACT
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

INPUT_SIZE, OUTPUT_SIZE = (30, 44), (21, 33)
SIZES = {"input_size": INPUT_SIZE, "output_size": OUTPUT_SIZE}
POINTS = np.array([[16.0, 10.0], [4.25, 13.5], [20.0, 2.0], [30.5, 18.0]], "float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def every_family(align_corners=False):
    named = {name: transforms.get(name, align_corners) for name in transforms.FAMILIES}
    return {**named, "dense_flow": transforms.DenseFlow(OUTPUT_SIZE, align_corners=align_corners)}


FAMILIES = tuple(every_family())


def gentle_theta(transform, rng, count=2):
    """Thetas near the identity; flows are smooth and keep the points inside their grid."""
    if isinstance(transform, transforms.DenseFlow):
        rows, columns = np.meshgrid(*map(np.arange, transform.size), indexing="ij")
        wave = np.stack([np.sin(rows / 5), np.cos(columns / 7)], -1)
        return np.stack([(1 + i) * wave for i in range(count)]).astype("float32")
    theta = transform.identity + rng.normal(0, 0.05, (count, transform.num_parameters))
    return theta.astype("float32")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_back_undoes_there(name, align_corners, rng):
    transform = every_family(align_corners)[name]
    theta = gentle_theta(transform, rng)
    there = transform_points(theta, POINTS, transform=transform, **SIZES)
    back = transform_points(theta, there, transform=transform, direction="input_to_output", **SIZES)
    np.testing.assert_allclose(numpy(back), np.stack([POINTS] * 2), atol=2e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_points_at_pixels_are_the_grid_that_is_sampled(name, rng):
    transform = every_family()[name]
    theta = gentle_theta(transform, rng)
    pixels = np.stack(np.meshgrid(*map(np.arange, reversed(OUTPUT_SIZE))), -1).reshape(-1, 2)
    moved = transform_points(theta, pixels.astype("float32"), transform=transform, **SIZES)
    grid = numpy(transform.source_coordinates(theta, **SIZES)).reshape(2, -1, 2)
    np.testing.assert_allclose(numpy(moved), grid, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("direction", ["output_to_input", "input_to_output"])
def test_points_stay_bit_exact_at_the_identity(name, direction):
    transform = every_family()[name]
    sizes = {"input_size": OUTPUT_SIZE, "output_size": OUTPUT_SIZE}
    moved = transform_points(
        transform.identity, POINTS, transform=transform, direction=direction, **sizes
    )
    np.testing.assert_array_equal(numpy(moved)[0], POINTS)


def test_a_mark_is_seen_where_its_point_goes(rng):
    """A bright blob of the original, and its center carried to the warped image."""
    x, y = 25.0, 12.0
    rows, columns = np.mgrid[: INPUT_SIZE[0], : INPUT_SIZE[1]]
    blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)[None, ..., None].astype("float32")
    theta = [[0.9, 0.2, 0.1, -0.1, 0.8, 0.05]]
    seen = numpy(warp(blob, theta, output_size=OUTPUT_SIZE))[0, ..., 0]
    rows, columns = np.mgrid[: OUTPUT_SIZE[0], : OUTPUT_SIZE[1]]
    middle = [(axis * seen).sum() / seen.sum() for axis in (columns, rows)]
    point = transform_points(theta, [[x, y]], direction="input_to_output", **SIZES)
    np.testing.assert_allclose(numpy(point)[0, 0], middle, atol=0.02)


@pytest.mark.parametrize("name", ["affine", "similarity", "homography", "tps", "dense_flow"])
@pytest.mark.parametrize("direction", ["output_to_input", "input_to_output"])
def test_gradients_agree_with_finite_differences(name, direction, rng):
    if EXACT == "float32" or (keras.backend.backend() == "jax" and name == "similarity"):
        pytest.skip("finite differences need float64, which Keras's sine has not on JAX")
    transform = every_family()[name]
    theta = gentle_theta(transform, rng, 1).astype("float64")
    points = POINTS.astype("float64")[None] + 0.123
    weights = rng.normal(size=(1, len(POINTS), 2))

    def loss(theta, points):
        moved = transform_points(theta, points, transform=transform, direction=direction, **SIZES)
        return ops.sum(moved * weights)

    _, gradients = value_and_gradients(loss, theta, points)
    for position, gradient in enumerate(gradients):
        step = np.zeros_like((theta, points)[position])
        index = rng.integers(step.size) if name != "dense_flow" else np.abs(gradient).argmax()
        step.flat[index] = 1e-5
        ends = [
            value_and_gradients(
                loss,
                *(a + sign * step if i == position else a for i, a in enumerate((theta, points))),
            )[0]
            for sign in (1, -1)
        ]
        np.testing.assert_allclose(gradient.flat[index], (ends[0] - ends[1]) / 2e-5, rtol=1e-4)


def test_points_behind_the_camera_are_nan_in_both_directions():
    theta = np.array([[1, 0, 0, 0, 1, 0, 2, 0]], "float32")  # the horizon is at x = -0.5
    sizes = {"input_size": (10, 10), "output_size": (10, 10), "transform": "homography"}
    behind, before = [0.0, 4.5], [7.0, 4.5]
    there = numpy(transform_points(theta, [behind, before], **sizes))[0]
    assert np.isnan(there[0]).all()
    back = transform_points(theta, there, direction="input_to_output", **sizes)
    np.testing.assert_allclose(numpy(back)[0, 1], before, atol=1e-4)
    # x = 2 x' / (1 + 2 x') never reaches beyond 0.5 from the front.
    unseen = transform_points(theta, [[9.0, 4.5]], direction="input_to_output", **sizes)
    assert np.isnan(numpy(unseen)).all()


def test_a_flow_knows_nothing_outside_its_grid():
    transform = transforms.DenseFlow((8, 8))
    sizes = {"input_size": (8, 8), "output_size": (8, 8), "transform": transform}
    theta = np.full((1, 8, 8, 2), 3, "float32")
    outside = transform_points(theta, [[-1.0, 4], [4, 4]], **sizes)
    assert np.isnan(numpy(outside)).any(-1).tolist() == [[True, False]]
    # The places below 3 are read by no pixel of the output.
    unseen = transform_points(theta, [[1.0, 4], [5, 5]], direction="input_to_output", **sizes)
    np.testing.assert_array_equal(numpy(unseen)[0], [[np.nan, np.nan], [2, 2]])


def test_where_nothing_is_seen_gradients_of_the_rest_are_finite():
    transform = transforms.DenseFlow((8, 8))
    sizes = {"input_size": (8, 8), "output_size": (8, 8), "transform": transform}

    def loss(theta, points):
        moved = transform_points(theta, points, direction="input_to_output", **sizes)
        return ops.sum(moved[:, 1])

    theta = np.full((1, 8, 8, 2), 3, "float32")
    points = np.array([[[1, 4], [5.5, 5.25]]], "float32")
    value, gradients = value_and_gradients(loss, theta, points)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    np.testing.assert_allclose(gradients[1][0, 1], [1, 1], atol=1e-3)


def test_points_of_a_symbolic_theta_make_a_model(tmp_path, rng):
    theta, points = keras.Input((6,)), keras.Input((3, 2))
    moved = transform_points(theta, points, direction="input_to_output", **SIZES)
    assert moved.shape == (None, 3, 2)
    keras.Model([theta, points], moved).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    arrays = gentle_theta(transforms.Affine(), rng), rng.random((2, 3, 2), "float32")
    expected = transform_points(*arrays, direction="input_to_output", **SIZES)
    np.testing.assert_allclose(numpy(model(list(arrays))), numpy(expected), atol=1e-5)


def test_one_theta_moves_the_points_of_every_image(rng):
    theta = gentle_theta(transforms.Affine(), rng, 1)
    points = rng.random((3, 4, 2), "float32")
    moved = numpy(transform_points(theta, points, **SIZES))
    for index in range(3):
        alone = numpy(transform_points(theta[0], points[index], **SIZES))[0]
        np.testing.assert_allclose(moved[index], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": np.zeros((4, 3))}, "points"),
        ({"points": np.zeros((3, 4, 2))}, "as many thetas"),
        ({"direction": "back"}, "direction"),
        ({"theta": np.zeros((2, 5))}, "theta"),
        ({"input_size": (0, 3)}, "input_size"),
    ],
)
def test_bad_points_are_refused(changed, message):
    arguments = {"theta": np.zeros((2, 6), "float32"), "points": POINTS, **SIZES, **changed}
    with pytest.raises(ValueError, match=message):
        transform_points(**arguments)


FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "rel_xyxy", "rel_xywh")


@pytest.mark.parametrize("bounding_box_format", FORMATS)
@pytest.mark.parametrize("direction", ["output_to_input", "input_to_output"])
def test_boxes_are_the_same_in_every_format(bounding_box_format, direction, rng):
    theta = gentle_theta(transforms.Affine(), rng)
    boxes = np.array([[[2, 3, 10, 12], [5, 0, 20, 9]]] * 2, "float32")
    sizes = [OUTPUT_SIZE, INPUT_SIZE][:: 1 if direction == "output_to_input" else -1]
    convert = keras.utils.bounding_boxes.convert_format

    def converted(boxes, source, target, size):
        return numpy(convert(boxes, source, target, height=size[0], width=size[1]))

    expected = transform_boxes(theta, boxes, direction=direction, **SIZES)
    given = converted(boxes, "xyxy", bounding_box_format, sizes[0])
    moved = transform_boxes(
        theta, given, direction=direction, bounding_box_format=bounding_box_format, **SIZES
    )
    moved = converted(numpy(moved), bounding_box_format, "xyxy", sizes[1])
    np.testing.assert_allclose(moved, numpy(expected), atol=1e-3)


def test_a_box_becomes_the_box_around_its_corners():
    quarter = [[0, -1, 0, 1, 0, 0]]
    sizes = {"input_size": (20, 20), "output_size": (20, 20)}
    moved = transform_boxes(quarter, [[0.0, 0, 4, 10]], **sizes)
    np.testing.assert_allclose(numpy(moved)[0, 0], [10, 0, 20, 4], atol=1e-5)
    whole = transform_boxes(quarter, [[0.0, 0, 20, 20]], **sizes)
    np.testing.assert_allclose(numpy(whole)[0, 0], [0, 0, 20, 20], atol=1e-5)


@pytest.mark.parametrize(("count", "thetas"), [((2, 0), 2), ((0,), 1), ((0, 3), 0)])
def test_images_without_boxes(count, thetas):
    theta = np.tile(np.float32([[1, 0, 0, 0, 1, 0]]), (thetas, 1))
    moved = transform_boxes(theta, np.zeros((*count, 4), "float32"), **SIZES)
    assert tuple(moved.shape) == (thetas, count[-1], 4)


def test_a_mask_is_carried_by_reading_its_nearest_pixels():
    """Labels stay labels, and those of a box lie in the box that is carried beside them."""
    mask = np.zeros((1, *INPUT_SIZE, 1), "float32")
    mask[0, 8:20, 10:30] = 7
    theta = [[0.8, 0, 0.1, 0, 0.9, -0.1]]
    seen = numpy(warp(mask, theta, output_size=OUTPUT_SIZE, interpolation="nearest"))[0, ..., 0]
    assert set(np.unique(seen)) == {0, 7}
    box = transform_boxes(theta, [[10.0, 8, 30, 20]], direction="input_to_output", **SIZES)
    rows, columns = np.nonzero(seen)
    around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(numpy(box)[0, 0], around, atol=0.5)


def roi_align(image, box, output_size, ratio=2):
    """RoIAlign by its definition: the mean of ratio x ratio bilinear samples in each bin."""
    left, top, right, bottom = box
    height, width = output_size
    result = np.zeros((height, width, image.shape[-1]))
    for i in range(height):
        for j in range(width):
            places = [
                (
                    left + (j + (b + 0.5) / ratio) * (right - left) / width - 0.5,
                    top + (i + (a + 0.5) / ratio) * (bottom - top) / height - 0.5,
                )
                for a in range(ratio)
                for b in range(ratio)
            ]
            places = np.array(places, "float32").reshape(1, 1, -1, 2)
            result[i, j] = numpy(sample(image[None], places))[0, 0].mean(0)
    return result


def test_warping_by_boxes_is_roi_align(rng):
    images = rng.random((2, *INPUT_SIZE, 3), "float32")
    boxes = np.array([[[3.5, 2, 20, 17.25], [10, 5, 40, 25]], [[1, 1, 43, 29], [8, 8, 9, 9]]])
    theta = theta_from_boxes(boxes, input_size=INPUT_SIZE)
    regions = numpy(warp(images, theta, output_size=(7, 5), supersample=2))
    for n, k in np.ndindex(2, 2):
        expected = roi_align(images[n], boxes[n, k], (7, 5))
        np.testing.assert_allclose(regions[n, k], expected, atol=1e-4)


def test_boxes_are_checked():
    with pytest.raises(ValueError, match="boxes"):
        theta_from_boxes(np.zeros((3, 5)), input_size=(4, 4))
    with pytest.raises(ValueError, match="bounding_box_format"):
        theta_from_boxes(np.zeros((3, 4)), input_size=(4, 4), bounding_box_format="ltrb")
