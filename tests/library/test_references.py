"""Agreement with the field's reference implementations."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import ops
from scipy import ndimage

from stn_keras._arguments import to_tensor
from stn_keras.transforms import Affine
from tests.support.arrays import EXACT, NUMPY_PAD, TOLERANCE, compiled_on_jax, sample
from tests.support.gradients import value_and_gradients
from tests.support.kernels import keys

pytestmark = pytest.mark.backend

SCIPY_MODES = {
    "constant": "grid-constant",
    "nearest": "nearest",
    "reflect": "reflect",
    "mirror": "mirror",
    "wrap": "grid-wrap",
}
SCIPY_ORDERS = {"nearest": 0, "bilinear": 1}
TORCH_MODES = {"constant": "zeros", "nearest": "border"}
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
thetas = st.lists(st.floats(-2, 2, width=32), min_size=6, max_size=6)


def numbers(seed, *shape):
    """Reproducible normal float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@given(
    size=sizes,
    channels=st.integers(1, 4),
    fill_mode=st.sampled_from(list(SCIPY_MODES)),
    fill_value=st.sampled_from([0.0, 1.5]),
    interpolation=st.sampled_from(list(SCIPY_ORDERS)),
    seed=st.integers(0, 99),
)
def test_sample_agrees_with_scipy_far_outside_on_all_sides(
    size, channels, fill_mode, fill_value, interpolation, seed
):
    images = numbers(seed, 2, *size, channels).astype("float64")
    coordinates = np.random.default_rng(seed).uniform(-25, 35, (2, 6, 5, 2))
    sampled = ops.convert_to_numpy(
        sample(images, coordinates, interpolation, fill_mode, fill_value)
    )
    for n in range(2):
        for c in range(channels):
            expected = ndimage.map_coordinates(
                images[n, :, :, c],
                coordinates[n, ..., ::-1].transpose(2, 0, 1),
                order=SCIPY_ORDERS[interpolation],
                mode=SCIPY_MODES[fill_mode],
                cval=fill_value,
            )
            np.testing.assert_allclose(sampled[n, ..., c], expected, atol=TOLERANCE[EXACT])


@given(size=sizes, fill_mode=st.sampled_from(list(NUMPY_PAD)), seed=st.integers(0, 99))
def test_bicubic_agrees_with_the_kernel_summed_over_a_padded_image(size, fill_mode, seed):
    margin = 20
    image = numbers(seed, *size).astype("float64")
    padded = np.pad(image, margin, **NUMPY_PAD[fill_mode])
    x, y = np.random.default_rng(seed).uniform(-15, 20, (2, 30))
    inside = (x < size[1] + 15) & (y < size[0] + 15)
    x, y = x[inside], y[inside]
    weights_y = keys(np.arange(padded.shape[0]) - margin - y[:, None])
    weights_x = keys(np.arange(padded.shape[1]) - margin - x[:, None])
    expected = np.einsum("ki,ij,kj->k", weights_y, padded, weights_x)
    coordinates = np.stack([x, y], -1)[None, None]
    sampled = sample(image[None, ..., None], coordinates, "bicubic", fill_mode, 0.25)
    np.testing.assert_allclose(
        ops.convert_to_numpy(sampled)[0, 0, :, 0], expected, atol=TOLERANCE[EXACT]
    )


@given(
    size=sizes,
    output_size=sizes,
    channels=st.integers(1, 4),
    theta=thetas,
    align_corners=st.booleans(),
    fill_mode=st.sampled_from(list(TORCH_MODES)),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_warp_and_its_gradients_agree_with_torch(
    size, output_size, channels, theta, align_corners, fill_mode, interpolation
):
    torch = pytest.importorskip("torch", reason="torch is not installed: make test-backends")
    images, upstream = numbers(0, 2, *size, channels), numbers(1, 2, *output_size, channels)
    images, upstream = images.astype(EXACT), to_tensor(upstream.astype(EXACT))
    # Hypothesis likes 0 and 1, whose places lie on whole pixels: there rounding decides the
    # neighbors, and with them the gradient to theta.
    theta = (np.reshape([theta, theta], (2, 2, 3)) + OFF_LATTICE).astype(EXACT)
    affine = Affine(align_corners=align_corners)
    places = affine.source_coordinates(theta, output_size=output_size, input_size=size)
    # Theta does not move what is read along an axis without extent.
    moving = [n > 1 or not align_corners for n in reversed(size)]
    assume(off_lattice(ops.convert_to_numpy(places)[..., moving]))

    def warp(images, theta):
        coordinates = affine.source_coordinates(theta, output_size=output_size, input_size=size)
        return sample(images, coordinates, interpolation, fill_mode)

    in_float32 = images.astype("float32"), theta.astype("float32")
    ours = ops.convert_to_numpy(compiled_on_jax(warp)(*in_float32))
    _, (image_gradient, theta_gradient) = value_and_gradients(
        lambda images, theta: ops.sum(warp(images, theta) * upstream), images, theta
    )

    images_torch = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    theta_torch = torch.tensor(theta, requires_grad=True)
    grid = torch.nn.functional.affine_grid(
        theta_torch, (2, channels, *output_size), align_corners=align_corners
    )
    theirs = torch.nn.functional.grid_sample(
        images_torch,
        grid,
        mode=interpolation,
        padding_mode=TORCH_MODES[fill_mode],
        align_corners=align_corners,
    )
    upstream = torch.tensor(ops.convert_to_numpy(upstream).transpose(0, 3, 1, 2))
    (theirs * upstream).sum().backward()

    np.testing.assert_allclose(ours, theirs.detach().permute(0, 2, 3, 1), atol=2e-5)
    # Sums over up to 81 pixels: only in float64 do they agree as closely as the values.
    tolerance = {"atol": 2e-5} if EXACT == "float64" else {"atol": 2e-4, "rtol": 1e-4}
    gradient_torch = images_torch.grad.permute(0, 2, 3, 1)
    np.testing.assert_allclose(image_gradient, gradient_torch, **tolerance)
    np.testing.assert_allclose(theta_gradient, theta_torch.grad, **tolerance)


OFF_LATTICE = np.array([[0.0123, -0.0071, 0.0337], [0.0093, -0.0159, -0.0271]])


def off_lattice(coordinates):
    """Whether no coordinate is so near a whole pixel that rounding decides its neighbors."""
    return np.abs(coordinates - np.round(coordinates)).min(initial=1) > 1e-4


@given(size=sizes, theta=thetas)
def test_warp_agrees_with_opencv_given_the_inverse_pixel_matrix(size, theta):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    height, width = size
    image = numbers(2, height, width)
    half = np.array([width / 2, height / 2])
    linear, shift = np.array(theta).reshape(2, 3)[:, :2], np.array(theta).reshape(2, 3)[:, 2]
    # normalized -> pixel: p = half * n + (half - 1 / 2)
    pixel_linear = half[:, None] * linear / half
    pixel_shift = half * shift + (half - 0.5) - pixel_linear @ (half - 0.5)
    coordinates = ops.convert_to_numpy(
        Affine().source_coordinates(np.array([theta], "float32"), output_size=size, input_size=size)
    )
    ours = ops.convert_to_numpy(sample(image[None, ..., None], coordinates))[0, ..., 0]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    source = np.stack([x, y], -1) @ pixel_linear.T + pixel_shift
    np.testing.assert_allclose(coordinates[0], source, atol=1e-4)
    expected = cv2.warpAffine(
        image,
        np.column_stack([pixel_linear, pixel_shift]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    # OpenCV rounds coordinates to 1/32 pixel.
    steepness = 2 * np.abs(image).max() * 2
    assert np.abs(ours - expected).max() <= steepness / 32


@pytest.mark.parametrize("output_size", [(9, 13), (18, 26), (27, 4), (5, 13)])
def test_pure_scaling_agrees_with_tensorflow_resize(output_size):
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    images = numbers(3, 2, 9, 13, 3)
    affine = Affine()
    coordinates = affine.source_coordinates(
        np.tile(affine.identity, (2, 1)), output_size=output_size, input_size=(9, 13)
    )
    ours = ops.convert_to_numpy(sample(images, coordinates, fill_mode="nearest"))
    np.testing.assert_allclose(ours, tf.image.resize(images, output_size), atol=2e-5)
