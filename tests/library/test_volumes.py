"""Volumes: the laws, references, gradients and contracts of images, with an axis more."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage
from scipy.spatial.transform import Rotation as ScipyRotation

from stn_keras import (
    GridGenerator,
    ParallelSpatialTransformer,
    Sampler,
    SpatialTransformer,
    register,
    transforms,
)
from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import (
    compose,
    from_pixel_matrix,
    integrate,
    invert,
    sample,
    to_pixel_matrix,
    transform_points,
    warp,
)
from tests.support.arrays import EXACT, TOLERANCE, compiled_on_jax
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZES = [(1, 1, 1), (1, 5, 2), (4, 1, 7), (7, 6, 5)]
NAMED = ("translation", "attention", "axis_aligned", "rotation", "similarity", "affine")
FAMILIES = (*NAMED, "spacing", "dense_flow")
SIZE, OUTPUT_SIZE = (6, 7, 9), (5, 8, 4)


def family(name, size=SIZE, align_corners=False):
    settings = {"align_corners": align_corners}
    if name == "dense_flow":
        return transforms.DenseFlow(size, **settings)
    if name == "spacing":
        return transforms.Similarity(rank=3, spacing=(3, 1, 1.5), **settings)
    return transforms.get(name, align_corners, rank=3)


def theta_near(transform, rng, count=2):
    theta = transform.identity + rng.normal(0, 0.1, (count, transform.num_parameters))
    return theta.astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
def test_identity_is_bit_exact(name, size, align_corners, rng):
    if name == "spacing" and align_corners and 1 in size:
        pytest.skip("an axis of one voxel has no extent to turn in")
    transform = family(name, size, align_corners)
    volumes = rng.normal(size=(2, *size, 2)).astype("float32")
    theta = np.tile(transform.identity, (2, 1))
    run = compiled_on_jax(lambda v, t: warp(v, t, transform))
    np.testing.assert_array_equal(numpy(run(volumes, theta)), volumes)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_shift_by_whole_voxels_is_a_roll_with_fill(fill_mode, interpolation, rng):
    volume = rng.random((1, 4, 5, 6, 1)).astype("float32")
    shift = np.array([2, -1, 3])  # x, y, z
    theta = [2 * shift / np.array([6, 5, 4])]
    modes = {"constant": "grid-constant", "wrap": "grid-wrap"}
    settings = {"interpolation": interpolation, "fill_mode": fill_mode}
    found = numpy(warp(volume, theta, family("translation"), **settings))
    expected = ndimage.shift(
        volume[0, ..., 0], -shift[::-1], order=0, mode=modes.get(fill_mode, fill_mode)
    )
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_it_reads_what_scipy_reads(fill_mode, interpolation, rng):
    volumes = rng.normal(size=(2, *SIZE, 2)).astype("float32")
    places = rng.uniform(-20, 25, (2, 3, 4, 5, 3)).astype("float32")
    modes = {"constant": "grid-constant", "wrap": "grid-wrap"}
    found = numpy(sample(volumes, places, interpolation, fill_mode, 0.5))
    for n, channel in np.ndindex(2, 2):
        expected = ndimage.map_coordinates(
            volumes[n, ..., channel],
            np.moveaxis(places[n, ..., ::-1], -1, 0),
            order=int(interpolation == "bilinear"),
            mode=modes.get(fill_mode, fill_mode),
            cval=0.5,
        )
        np.testing.assert_allclose(found[n, ..., channel], expected, atol=2e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_it_is_torchs_affine_grid_and_grid_sample(align_corners, rng):
    torch = pytest.importorskip("torch")
    volumes = rng.normal(size=(2, *SIZE, 3)).astype("float32")
    transform = family("affine", align_corners=align_corners)
    theta = theta_near(transform, rng)
    found = numpy(warp(volumes, theta, transform, OUTPUT_SIZE))
    settings = {"align_corners": align_corners}
    grid = torch.nn.functional.affine_grid(
        torch.tensor(theta.reshape(2, 3, 4)), (2, 3, *OUTPUT_SIZE), **settings
    )
    channels_first = torch.tensor(volumes).permute(0, 4, 1, 2, 3)
    expected = torch.nn.functional.grid_sample(channels_first, grid, **settings)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 4, 1).numpy(), atol=2e-5)


def test_sampling_is_linear_and_its_gradient_the_adjoint(rng):
    """<A x, y> = <x, A' y>."""
    volumes = rng.normal(size=(2, *SIZE, 2)).astype(EXACT)
    places = rng.uniform(-2, 9, (2, 3, 4, 5, 3)).astype(EXACT)
    upstream = rng.normal(size=(2, 3, 4, 5, 2)).astype(EXACT)

    def product(volumes):
        return ops.sum(sample(volumes, places) * ops.convert_to_tensor(upstream))

    value, (gradient,) = value_and_gradients(product, volumes)
    np.testing.assert_allclose(value, np.sum(gradient * volumes), rtol=TOLERANCE[EXACT] * 10)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("compiled", [None, True, False])
def test_gradients_agree_with_finite_differences(name, compiled, rng):
    if EXACT == "float32" or (
        keras.backend.backend() == "jax" and name not in ("affine", "dense_flow")
    ):
        pytest.skip("finite differences need float64, which Keras's sine has not on JAX")
    transform = family(name, (2, 3, 4))
    volumes = rng.normal(size=(1, 2, 3, 4, 2))
    theta = theta_near(transform, rng, 1).astype("float64") + 0.013
    weights = rng.normal(size=(1, 2, 3, 4, 2))

    def loss(volumes, theta):
        return ops.sum(warp(volumes, theta, transform, compiled=compiled) * weights)

    _, gradients = value_and_gradients(loss, volumes, theta)
    for position, gradient in enumerate(gradients):
        index = np.abs(gradient).argmax()
        ends = []
        for sign in (1, -1):
            arrays = [volumes.copy(), theta.copy()]
            arrays[position].flat[index] += sign * 1e-6
            ends.append(value_and_gradients(loss, *arrays)[0])
        np.testing.assert_allclose(gradient.flat[index], (ends[0] - ends[1]) / 2e-6, rtol=1e-4)


@pytest.mark.parametrize("compiled", [None, True, False])
@pytest.mark.parametrize("shape", [(2, 5, 6, 7, 1), (2, 40, 24, 24, 3)], ids=str)
def test_fast_ways_have_the_gradients_of_plain_operations(compiled, shape, rng):
    """The larger shape goes image by image."""
    transform = family("affine")
    theta = theta_near(transform, rng)
    volumes = rng.normal(size=shape).astype("float32")

    def loss(volumes, theta, compiled):
        return ops.sum(ops.sin(warp(volumes, theta, transform, compiled=compiled)))

    found, expected = (
        value_and_gradients(lambda v, t, way=way: loss(v, t, way), volumes, theta)
        for way in (compiled, False)
    )
    for ours, plain in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, plain, atol=2e-4 * np.abs(plain).max())


def test_a_turn_is_scipys(rng):
    axes = rng.normal(size=(4, 3)).astype("float32")
    matrix = numpy(family("rotation").to_affine(axes))[:, :, :3]
    np.testing.assert_allclose(matrix, ScipyRotation.from_rotvec(axes).as_matrix(), atol=1e-6)
    small = numpy(family("rotation").to_affine(1e-3 * axes))[:, :, :3]
    np.testing.assert_allclose(small, ScipyRotation.from_rotvec(1e-3 * axes).as_matrix(), atol=1e-7)


def test_a_turn_about_z_is_that_of_an_image():
    flat = numpy(transforms.Rotation().to_affine([[0.3]], input_size=(8, 10)))
    deep = numpy(family("rotation").to_affine([[0, 0, 0.3]], input_size=(5, 8, 10)))
    np.testing.assert_allclose(deep[:, :2, [0, 1, 3]], flat, atol=1e-6)


def test_a_turn_keeps_shapes_where_voxels_are_no_cubes():
    """A quarter turn about x: 4 slices of 3 mm take the place of 12 rows of 1 mm."""
    transform = transforms.Rotation(rank=3, spacing=(3, 1, 1))
    sizes = {"input_size": (9, 27, 5), "output_size": (9, 27, 5), "transform": transform}
    middle = np.array([2, 13, 4])
    offsets = np.array([[0, 0, 4], [0, 12, 0]])
    moved = numpy(transform_points([[np.pi / 2, 0, 0]], offsets + middle, **sizes))
    np.testing.assert_allclose(moved[0] - middle, [[0, -12, 0], [0, 0, 4]], atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_points_go_there_and_back(name, rng):
    transform = family(name, OUTPUT_SIZE)
    theta = theta_near(transform, rng)
    if name == "dense_flow":
        theta = np.tile([0.3, -0.2, 0.4], (2, np.prod(OUTPUT_SIZE))).astype("float32")
    points = np.array([[1.0, 3.5, 2], [2.25, 4, 1.5]], "float32")
    sizes = {"input_size": SIZE, "output_size": OUTPUT_SIZE, "transform": transform}
    there = transform_points(theta, points, **sizes)
    back = transform_points(theta, there, direction="input_to_output", **sizes)
    np.testing.assert_allclose(numpy(back), np.stack([points] * 2), atol=1e-3)


def test_matrices_compose_invert_and_have_pixels(rng):
    theta = theta_near(family("affine"), rng)
    both = numpy(compose(theta, invert(theta)))
    np.testing.assert_allclose(both, np.tile(np.eye(3, 4), (2, 1, 1)), atol=1e-5)
    sizes = {"input_size": SIZE, "output_size": OUTPUT_SIZE}
    matrix = to_pixel_matrix(theta, **sizes)
    np.testing.assert_allclose(
        numpy(from_pixel_matrix(matrix, **sizes)).reshape(2, 12), theta, atol=1e-5
    )
    corner = numpy(transform_points(theta, [[3.0, 7, 4]], transform=family("affine"), **sizes))
    np.testing.assert_allclose(numpy(matrix) @ [3, 7, 4, 1], corner[:, 0], atol=1e-4)
    with pytest.raises(ValueError, match="one of each"):
        compose(theta, theta[:, :6])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_parts_layer_and_whole_agree(data_format, rng):
    transform = family("similarity")
    shape = (*SIZE, 3) if data_format == "channels_last" else (3, *SIZE)
    volumes, theta = rng.random((2, *shape), "float32"), theta_near(transform, rng)
    settings = {"fill_value": 0.5, "data_format": data_format}
    whole = numpy(warp(volumes, theta, transform, OUTPUT_SIZE, supersample=2, **settings))
    layer = SpatialTransformer(
        transform=transform, output_size=OUTPUT_SIZE, supersample=2, **settings
    )
    np.testing.assert_allclose(numpy(layer.warp(volumes, theta)), whole, atol=1e-6)
    grid = GridGenerator("similarity", rank=3, output_size=OUTPUT_SIZE, input_size=SIZE)
    parts = Sampler(**settings)(volumes, grid(theta))
    once = warp(volumes, theta, transform, OUTPUT_SIZE, **settings)
    np.testing.assert_allclose(numpy(parts), numpy(once), atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_layer_is_saved_and_loaded(data_format, rng, tmp_path):
    shape = (*SIZE, 2) if data_format == "channels_last" else (2, *SIZE)
    inputs = keras.Input(shape)
    layer = SpatialTransformer(transform="similarity", rank=3, data_format=data_format)
    model = keras.Model(inputs, layer(inputs))
    volumes = rng.random((2, *shape)).astype("float32")
    np.testing.assert_array_equal(model.predict(volumes, verbose=0), volumes)
    layer.regressor.kernel.assign(rng.normal(0, 0.05, layer.regressor.kernel.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(volumes, verbose=0)
    np.testing.assert_array_equal(loaded.predict(volumes, verbose=0), expected)


def test_volumes_of_any_size_are_read_several_times(rng):
    """Sizes known only at run time, and (N, K, P)."""
    inputs, theta = keras.Input((None, None, None, 1)), keras.Input((3, 12))
    model = keras.Model([inputs, theta], warp(inputs, theta, family("affine"), OUTPUT_SIZE))
    volumes = rng.random((2, *SIZE, 1)).astype("float32")
    thetas = np.stack([theta_near(family("affine"), rng) for _ in range(3)], axis=1)
    found = numpy(model([volumes, thetas]))
    assert found.shape == (2, 3, *OUTPUT_SIZE, 1)
    alone = numpy(warp(volumes, thetas[:, 1], family("affine"), OUTPUT_SIZE))
    np.testing.assert_allclose(found[:, 1], alone, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_kept(dtype, rng):
    volumes = ops.cast(rng.random((1, *SIZE, 1)), dtype)
    found = warp(volumes, family("affine").identity, family("affine"))
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    np.testing.assert_array_equal(
        numpy(ops.cast(found, "float32")), numpy(ops.cast(volumes, "float32"))
    )


def test_parallel_windows_of_volumes_lie_side_by_side(rng):
    volumes = rng.random((2, 4, 6, 8, 1), "float32")
    layer = ParallelSpatialTransformer(transform="attention", rank=3, count=2, stack=True)
    windows, theta = layer(volumes, return_theta=True)
    assert windows.shape == (2, 2, 4, 6, 8, 1)
    expected = [[1, -0.5, 0, 0], [1, 0.5, 0, 0]]
    np.testing.assert_allclose(numpy(theta)[0], expected)


def test_a_smooth_velocity_does_not_fold(rng):
    noise = ndimage.gaussian_filter(rng.normal(size=(1, 20, 20, 20, 3)), (0, 4, 4, 4, 0))
    flow = numpy(integrate((4 * noise / np.abs(noise).max()).astype("float32")))[0]
    slopes = [np.diff(flow, axis=axis)[:19, :19, :19] for axis in (2, 1, 0)]
    jacobian = np.stack(slopes, axis=-1) + np.eye(3)
    assert np.linalg.det(jacobian).min() > 0


@pytest.mark.slow
def test_a_moved_volume_is_found(rng):
    volume = ndimage.gaussian_filter(rng.normal(size=(60, 60, 60)), 3).astype("float32")
    transform = transforms.Similarity(rank=3)
    theta = np.array([[1.05, 0.1, -0.05, 0.12, 0.05, -0.04, 0.03]], "float32")
    back = invert(transform.to_affine(theta, input_size=(40, 40, 40)))
    inner = slice(10, 50)
    fixed = volume[inner, inner, inner]
    # The moving one, read from the larger volume in the fixed one's coordinates.
    places = numpy(
        family("affine").source_coordinates(
            numpy(back).reshape(1, 12), output_size=(40, 40, 40), input_size=(40, 40, 40)
        )
    )[0]
    moving = ndimage.map_coordinates(volume, np.moveaxis(places[..., ::-1] + 10, -1, 0), order=3)
    found = register(moving, fixed, transform, verbose=0)
    np.testing.assert_allclose(found.theta, theta, atol=5e-3)
    assert found.aligned.shape == fixed.shape


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warp(np.ones((1, 4, 4, 1)), np.eye(3, 4)[None], family("affine")), "volumes"),
        (lambda: warp(np.ones((1, 4, 4, 4, 1)), [[1, 0, 0, 0, 1, 0]]), "images"),
        (
            lambda: warp(np.ones((1, 4, 4, 4, 1)), np.eye(3, 4)[None], family("affine"), (4, 4)),
            "depth",
        ),
        (lambda: sample(np.ones((1, 4, 4, 4, 1)), np.zeros((1, 4, 4, 2), "float32")), "volumes"),
        (lambda: transforms.get("homography", rank=3), "rank"),
        (lambda: transforms.Affine(rank=4), "rank"),
        (lambda: transforms.get(transforms.Affine(), rank=3), "rank"),
        (lambda: transforms.Rotation(rank=3, spacing=(1, 1)), "spacing"),
        (lambda: transforms.Rotation(rank=3, spacing=(1, 0, 1)), "spacing"),
        (lambda: transforms.Rotation(spacing=2), "spacing"),
        (lambda: SpatialTransformer(rank=3)(np.ones((1, 4, 4, 1))), "volumes"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
