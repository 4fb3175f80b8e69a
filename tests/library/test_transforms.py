"""Every family: exact at the identity, right against references, learning from the start."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.interpolate import RBFInterpolator

from stn_keras import SpatialTransformer, transforms
from stn_keras._arguments import to_tensor
from stn_keras.ops import decompose, homogeneous_meshgrid, sample
from stn_keras.transforms.thin_plate_spline import control_points
from tests.support.arrays import EXACT, compiled_on_jax
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZES = [(1, 1), (2, 7), (28, 28), (33, 5), (47, 60)]


def every_family(size, align_corners=False):
    named = {name: transforms.get(name, align_corners) for name in transforms.FAMILIES}
    return {**named, "dense_flow": transforms.DenseFlow(size, align_corners=align_corners)}


TRIGONOMETRIC = ("rotation", "similarity", "decomposed_affine")
FAMILIES = tuple(every_family((1, 1)))


def normalized_xy(transform, theta, size):
    """Source coordinates on [-1, 1] for one theta, as NumPy (H', W', 2), pixels undone."""
    theta = np.asarray(theta, "float32")[None]
    pixels = ops.convert_to_numpy(
        transform.source_coordinates(theta, output_size=size, input_size=size)
    )[0]
    height, width = size
    return (2 * pixels + 1) / (width, height) - 1


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
def test_identity_is_bit_exact(rng, name, size, align_corners):
    transform = every_family(size, align_corners)[name]
    images = rng.normal(size=(2, *size, 2)).astype("float32")
    theta = np.tile(transform.identity, (2, 1))
    warp = compiled_on_jax(
        lambda i, t: sample(i, transform.source_coordinates(t, output_size=size, input_size=size))
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(warp(images, theta)), images)


@pytest.mark.parametrize("name", FAMILIES)
def test_coordinates_of_a_symbolic_theta_make_a_model(rng, tmp_path, name):
    transform = every_family((6, 8))[name]
    symbolic = keras.Input((transform.num_parameters,))
    coordinates = transform.source_coordinates(symbolic, output_size=(6, 8), input_size=(5, 9))
    assert coordinates.shape == (None, 6, 8, 2)
    theta = (transform.identity + rng.normal(0, 0.1, (2, transform.num_parameters))).astype(
        "float32"
    )
    keras.Model(symbolic, coordinates).save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        ops.convert_to_numpy(keras.models.load_model(tmp_path / "model.keras")(theta)),
        ops.convert_to_numpy(
            transform.source_coordinates(theta, output_size=(6, 8), input_size=(5, 9))
        ),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_theta_gets_a_gradient_at_the_identity(rng, name):
    transform = every_family((6, 8))[name]
    images = rng.normal(size=(1, 6, 8, 1)).astype("float32")

    def loss(theta):
        return ops.sum(
            sample(
                images, transform.source_coordinates(theta, output_size=(6, 8), input_size=(6, 8))
            )
            ** 2
        )

    _, (gradient,) = value_and_gradients(loss, transform.identity[None])
    assert np.isfinite(gradient).all()
    assert (gradient != 0).mean() > 0.4


@pytest.mark.parametrize("name", FAMILIES)
def test_theta_gradient_agrees_with_finite_differences(rng, name):
    if EXACT == "float32" or (keras.backend.backend() == "jax" and name in TRIGONOMETRIC):
        pytest.skip("finite differences need float64, which Keras's sine has not on JAX")
    transform = every_family((4, 5))[name]
    theta = transform.identity + rng.normal(0, 0.1, transform.num_parameters)
    weights = rng.normal(size=(1, 4, 5, 2))

    def loss(theta):
        coordinates = transform.source_coordinates(theta, output_size=(4, 5), input_size=(4, 5))
        return ops.sum(coordinates * coordinates * to_tensor(weights))

    _, (gradient,) = value_and_gradients(loss, theta[None])
    for index in range(len(theta)):
        step = np.zeros_like(theta)
        step[index] = 1e-6
        up, down = (float(loss((theta + sign * step)[None])) for sign in (1, -1))
        np.testing.assert_allclose(gradient[0, index], (up - down) / 2e-6, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "theta", "matrix"),
    [
        ("translation", [0.3, -0.2], [1, 0, 0.3, 0, 1, -0.2]),
        ("attention", [0.5, 0.3, -0.2], [0.5, 0, 0.3, 0, 0.5, -0.2]),
        ("axis_aligned", [0.5, 2, 0.3, -0.2], [0.5, 0, 0.3, 0, 2, -0.2]),
        ("rotation", [np.pi / 2], [0, -1, 0, 1, 0, 0]),
        ("similarity", [2, np.pi / 6, 0.3, -0.2], [3**0.5, -1, 0.3, 1, 3**0.5, -0.2]),
        ("decomposed_affine", [2, 3, np.pi / 2, 0.5, 0.3, -0.2], [0, -3, 0.3, 2, 1.5, -0.2]),
    ],
)
def test_subfamilies_are_affine(name, theta, matrix):
    size = (8, 8)
    ours = normalized_xy(transforms.get(name), theta, size)
    np.testing.assert_allclose(ours, normalized_xy(transforms.Affine(), matrix, size), atol=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("name", "theta"),
    [
        ("rotation", [0.5]),
        ("similarity", [1.0, 0.5, 0.3, -0.2]),
        ("decomposed_affine", [1.0, 1.0, 0.5, 0.0, 0.3, -0.2]),
    ],
)
def test_a_turn_keeps_distances_in_pixels(name, theta, align_corners):
    """On 32x100 images too; and `to_affine` is the same transform."""
    size = {"output_size": (32, 100), "input_size": (32, 100)}
    transform = transforms.get(name, align_corners)
    theta = np.array([theta], "float32")
    xy = ops.convert_to_numpy(transform.source_coordinates(theta, **size))[0]
    right, down = xy[:-1, 1:] - xy[:-1, :-1], xy[1:, :-1] - xy[:-1, :-1]
    np.testing.assert_allclose(np.linalg.norm(right, axis=-1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(down, axis=-1), 1, atol=1e-4)
    np.testing.assert_allclose((right * down).sum(-1), 0, atol=1e-4)
    affine = transforms.Affine(align_corners=align_corners)
    matrix = transform.to_affine(theta, input_size=size["input_size"])
    same = ops.convert_to_numpy(affine.source_coordinates(matrix, **size))[0]
    np.testing.assert_allclose(same, xy, atol=1e-4)
    turned = decompose(matrix, input_size=size["input_size"], align_corners=align_corners)
    np.testing.assert_allclose(float(turned.rotation_degrees[0]), np.degrees(0.5), atol=1e-3)
    np.testing.assert_allclose(float(turned.scale_x[0]), 1, atol=1e-5)


def test_one_pixel_along_an_axis_cannot_be_turned_into_with_aligned_corners():
    with pytest.raises(ValueError, match="one pixel has no extent"):
        transforms.Rotation(align_corners=True).to_affine([[0.1]], input_size=(1, 5))


@pytest.mark.parametrize("name", FAMILIES)
def test_points_read_where_the_grid_does(name, rng):
    """At pixels the same as the grid, shared or per sample; halfway the mean of a smooth map."""
    size = (6, 9)
    transform = every_family(size)[name]
    theta = transform.identity + rng.normal(0, 0.05, (2, transform.num_parameters))
    grid = transform.source_coordinates(theta, output_size=size, input_size=size)
    grid = ops.convert_to_numpy(grid).reshape(2, -1, 2)
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([x.ravel(), y.ravel()], -1).astype("float64")
    for points in (pixels, np.stack([pixels, pixels])):
        ours = transform.source_points(theta, points, input_size=size)
        np.testing.assert_allclose(ops.convert_to_numpy(ours), grid, atol=1e-6)
    identity = transform.source_points(transform.identity[None], pixels + 0.25, input_size=size)
    inside = (pixels + 0.25 <= (size[1] - 1, size[0] - 1)).all(-1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(identity)[0][inside], pixels[inside] + 0.25, atol=1e-6
    )


def test_windows_are_read_from_roles():
    assert transforms.Homography().window((0.5, 0), 0.5).tolist()[:6] == [0.5, 0, 0.5, 0, 0.5, 0]
    with pytest.raises(ValueError, match="initial_theta"):
        transforms.Rotation().window((0.5, 0))
    with pytest.raises(ValueError, match="initial_theta"):
        transforms.DenseFlow((2, 2)).window((0.5, 0))


def test_homography_against_its_formula(rng):
    size = (6, 9)
    matrix = np.eye(3) + rng.normal(0, 0.15, (3, 3))
    matrix /= matrix[2, 2]
    moved = homogeneous_meshgrid(size, dtype="float64") @ matrix.T
    expected = (moved[:, :2] / moved[:, 2:]).reshape(*size, 2)
    ours = normalized_xy(transforms.Homography(), matrix.ravel()[:8], size)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_homography_against_opencv(rng):
    cv2 = pytest.importorskip("cv2")
    size = (20, 20)
    image = cv2.GaussianBlur(rng.random(size, "float32"), (0, 0), 2)
    matrix = np.array([[0.9, 0.1, 0.05], [-0.1, 0.8, 0.1], [0.1, -0.15, 1]])
    to_pixels = np.array([[10, 0, 9.5], [0, 10, 9.5], [0, 0, 1]])
    in_pixels = to_pixels @ matrix @ np.linalg.inv(to_pixels)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpPerspective(image, in_pixels, size, flags=flags)
    theta = matrix.ravel()[None, :8].astype("float32")
    coordinates = transforms.Homography().source_coordinates(
        theta, output_size=size, input_size=size
    )
    ours = ops.convert_to_numpy(sample(image[None, ..., None], coordinates))[0, ..., 0]
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # OpenCV rounds to 1/32 of a pixel


def test_behind_the_camera_is_fill_and_gradients_stay_finite(rng):
    size, transform = (16, 16), transforms.Homography()
    images = rng.random((1, *size, 1), "float32")
    theta = transform.identity[None].copy()
    theta[0, 6] = 2.0  # depth = 1 + 2 x: behind for x < -0.5, near the horizon at x = -0.5

    def warp(theta):
        return sample(
            images,
            transform.source_coordinates(theta, output_size=size, input_size=size),
            fill_value=7.0,
        )

    warped = ops.convert_to_numpy(warp(theta))
    assert np.isfinite(warped).all()
    assert (warped[0, :, :4] == 7).all()
    _, (gradient,) = value_and_gradients(lambda theta: ops.sum(warp(theta)), theta)
    assert np.isfinite(gradient).all()
    theta[0, 6] = np.nan
    assert np.isnan(ops.convert_to_numpy(warp(theta))).all()


def test_homography_against_kornia(rng):
    torch, kornia = pytest.importorskip("torch"), pytest.importorskip("kornia")
    size = (11, 14)
    theta = transforms.Homography().identity + rng.normal(0, 0.15, 8).astype("float32")
    matrix = torch.tensor(np.append(theta, np.float32(1))).reshape(1, 3, 3)
    points = torch.tensor(homogeneous_meshgrid(size)[None, :, :2])
    theirs = kornia.geometry.transform_points(matrix, points).reshape(*size, 2).numpy()
    ours = normalized_xy(transforms.Homography(), theta, size)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_thin_plate_spline_against_kornia(rng):
    torch, kornia = pytest.importorskip("torch"), pytest.importorskip("kornia")
    size, grid = (11, 14), (4, 4)
    offsets = rng.normal(0, 0.1, (16, 2))
    lattice = control_points(grid)
    # kornia's own solver puts the kernels at the moved points, another spline; so only its
    # evaluation is compared, with weights for kernels at the lattice.
    squared = ((lattice[:, None] - lattice[None]) ** 2).sum(-1)
    affine = np.column_stack([np.ones(16), lattice])
    kernel = 0.5 * squared * np.log(np.where(squared > 0, squared, 1))
    system = np.block([[kernel, affine], [affine.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.concatenate([lattice + offsets, np.zeros((3, 2))]))
    pixels = homogeneous_meshgrid(size, dtype="float64")[:, :2]
    inputs = (torch.tensor(part[None]) for part in (pixels, lattice, weights[:16], weights[16:]))
    theirs = kornia.geometry.transform.warp_points_tps(*inputs).reshape(*size, 2).numpy()
    ours = normalized_xy(transforms.ThinPlateSpline(grid), offsets.ravel(), size)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (3, 5)])
def test_thin_plate_spline_against_scipy(rng, grid):
    size = (7, 10)
    offsets = rng.normal(0, 0.2, (grid[0] * grid[1], 2))
    points, pixels = control_points(grid), homogeneous_meshgrid(size, dtype="float64")[:, :2]
    spline = RBFInterpolator(points, offsets, kernel="thin_plate_spline", degree=1)
    expected = (pixels + spline(pixels)).reshape(*size, 2)
    ours = normalized_xy(transforms.ThinPlateSpline(grid), offsets.ravel(), size)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_thin_plate_spline_is_exact_at_its_control_points(rng):
    grid = (3, 4)
    offsets = rng.normal(0, 0.2, (*grid, 2)).astype("float32")
    # With corners aligned and as many pixels as control points, each pixel is one of them.
    transform = transforms.ThinPlateSpline(grid, align_corners=True)
    coordinates = transform.source_coordinates(offsets[None], output_size=grid, input_size=grid)
    identity = transform.source_coordinates(0 * offsets[None], output_size=grid, input_size=grid)
    moved = ops.convert_to_numpy(coordinates - identity)[0]
    np.testing.assert_allclose(moved, offsets * (1.5, 1.0), atol=1e-6)


def test_dense_flow_adds_pixels(rng):
    flow = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    coordinates = transforms.DenseFlow((3, 4)).source_coordinates(
        flow, output_size=(3, 4), input_size=(3, 4)
    )
    y, x = np.mgrid[:3, :4]
    np.testing.assert_allclose(coordinates, flow + np.stack([x, y], -1), atol=1e-6)
    with pytest.raises(ValueError, match="flow's size"):
        transforms.DenseFlow((3, 4)).source_coordinates(flow, output_size=(4, 3), input_size=(3, 4))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_whole_image_is_the_identity(name):
    transform = every_family((2, 3))[name]
    np.testing.assert_array_equal(transform.window(), transform.identity)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"rotation", "dense_flow"}))
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_window_reads_a_part_of_the_image(name, align_corners):
    transform, size = transforms.get(name, align_corners), (6, 8)
    window = transform.window(center=(0.25, -0.5), extent=(0.5, 0.5))
    assert window.dtype == "float32"
    scale = 1 if name == "translation" else 0.5
    affine = transforms.Affine(align_corners=align_corners)
    expected = affine.source_coordinates(
        [[scale, 0, 0.25, 0, scale, -0.5]], output_size=size, input_size=size
    )
    read = transform.source_coordinates(window[None], output_size=size, input_size=size)
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (read, expected)), atol=1e-5)


def test_a_window_has_the_larger_extent_or_one_of_its_own_for_each_axis():
    assert transforms.Attention().window(extent=(0.25, 0.5)).tolist() == [0.5, 0, 0]
    for name in ("affine", "homography", "tps"):
        transform = transforms.get(name)
        read = transform.source_coordinates(
            transform.window(extent=(0.25, 0.5))[None], output_size=(8, 8), input_size=(8, 8)
        )
        corner = ops.convert_to_numpy(read)[0, 0, 0]
        np.testing.assert_allclose(corner, (4 - 0.875, 4 - 1.75) - np.float32(0.5), atol=1e-5)
    for name in ("rotation", "dense_flow"):
        with pytest.raises(ValueError, match="can shift"):
            every_family((2, 2))[name].window(center=(0.5, 0))


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_have_names_and_configs_round_trip(name):
    transform = every_family((2, 3), align_corners=True)[name]
    assert len(transform.parameter_names) == transform.num_parameters == len(transform.identity)
    assert repr(type(transform).from_config(transform.get_config())) == repr(transform)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_transformer_of_each_family_learns_saves_and_loads(rng, tmp_path, name):
    transform = every_family((9, 9))[name]
    inputs = keras.Input((9, 9, 1))
    outputs = SpatialTransformer(keras.layers.Flatten(), transform=transform)(inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(outputs))
    model.compile("adam", "mse")
    images = rng.random((6, 9, 9, 1), "float32")
    model.fit(images, rng.random((6, 81), "float32"), epochs=2, verbose=0)
    layer = next(layer for layer in model.layers if isinstance(layer, SpatialTransformer))
    theta = ops.convert_to_numpy(layer.predict_theta(images))
    assert (theta != transform.identity).any()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


@pytest.mark.parametrize("grid", [1, (1, 4), (2, 0), "4"])
def test_bad_grids_are_refused(grid):
    with pytest.raises(ValueError, match="grid"):
        transforms.ThinPlateSpline(grid)


def test_transforms_compare_by_their_attributes():
    assert transforms.Affine() == transforms.Affine()
    assert hash(transforms.ThinPlateSpline((3, 4))) == hash(transforms.ThinPlateSpline((3, 4)))
    different = [
        transforms.Affine(),
        transforms.Affine(align_corners=True),
        transforms.Attention(),
        transforms.ThinPlateSpline((3, 4)),
    ]
    different += [transforms.ThinPlateSpline((4, 3)), transforms.DenseFlow((3, 4))]
    assert len(set(different)) == len(different)


def test_a_family_with_an_attribute_that_has_no_hash_trains():
    class Tagged(transforms.Affine):
        def __init__(self, align_corners=False):
            super().__init__(align_corners=align_corners)
            self.tags = {"any", "set"}

    model = keras.Sequential([SpatialTransformer(transform=Tagged()), keras.layers.Flatten()])
    model.compile("sgd", "mse")
    loss = model.train_on_batch(np.ones((2, 9, 9, 1)), np.zeros((2, 81)))
    assert np.isfinite(loss)
