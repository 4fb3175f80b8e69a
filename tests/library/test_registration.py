"""Registration: what was moved is found, by every family and loss; bad input is refused."""

import json
import sys

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from stn_keras import register, transforms
from stn_keras.ops import from_pixel_matrix, transform_points, warp
from stn_keras.registration import losses
from stn_keras.registration.__main__ import command_line, main
from stn_keras.registration.pyramid import pyramid
from stn_keras.registration.starts import starts_around
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZE = (64, 72)


def smooth_noise(rng, size=SIZE, channels=(), sigma=2.0):
    noise = rng.normal(size=(*size, *channels))
    noise = ndimage.gaussian_filter(noise, [sigma, sigma, *[0] * len(channels)])
    return (noise / noise.std()).astype("float32")


def moved_pair(transform, theta, rng):
    """A fixed image, and a moving one on which theta finds it: both of one larger picture."""
    size = [2 * length for length in SIZE]
    picture = smooth_noise(rng, size)
    offset = [length / 2 for length in SIZE]
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns.ravel(), rows.ravel()], -1).astype("float32")
    sizes = {"output_size": SIZE, "input_size": SIZE, "transform": transform}
    # Where the moving image's pixels lie in the fixed one.
    seen = ops.convert_to_numpy(
        transform_points(theta[None], pixels, direction="input_to_output", **sizes)
    )[0]

    def read(places):
        places = [places[:, 1] + offset[0], places[:, 0] + offset[1]]
        return ndimage.map_coordinates(picture, places, order=3, mode="mirror").reshape(SIZE)

    return read(seen), read(pixels)


THETAS = {
    "translation": [0.1, -0.08],
    "rotation": [0.15],
    "attention": [0.9, 0.05, -0.04],
    "axis_aligned": [0.92, 1.07, 0.05, 0.03],
    "similarity": [1.06, 0.12, 0.04, -0.03],
    "affine": [1.05, 0.08, 0.03, -0.1, 0.95, 0.04],
    "homography": [1.05, 0.08, 0.03, -0.1, 0.95, 0.04, 0.05, -0.04],
}


def corner_error(theta, expected, transform):
    height, width = SIZE
    corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]
    sizes = {"output_size": SIZE, "input_size": SIZE, "transform": transform}
    found, true = (
        ops.convert_to_numpy(transform_points(np.reshape(t, (1, -1)), corners, **sizes))
        for t in (theta, np.array(expected, "float32"))
    )
    return np.linalg.norm(found - true, axis=-1).mean()


@pytest.mark.parametrize("family", THETAS)
@pytest.mark.parametrize("loss", ["mse", "ncc"])
def test_what_was_moved_is_found(family, loss, rng):
    if family not in ("affine", "homography") and loss == "mse":
        pytest.skip("one loss is enough for each family")
    transform = transforms.get(family)
    assert len(THETAS[family]) == transform.num_parameters
    theta = np.array(THETAS[family], "float32")
    moving, fixed = moved_pair(transform, theta, rng)
    if loss == "ncc":
        moving = 3 * moving + 5
    found = register(moving, fixed, family, loss=loss, verbose=0)
    assert corner_error(found.theta, theta, transform) < 0.1
    assert found.converged.all()
    assert found.aligned.shape == fixed.shape
    assert found.losses[-1][-1] < 0.02


def test_the_matrix_is_that_of_pixels(rng):
    """A shift by whole pixels, and images of different sizes."""
    picture = smooth_noise(rng, (80, 90))
    fixed, moving = picture[8:64, 10:70], picture
    found = register(moving, fixed, "axis_aligned", loss="mse", verbose=0)
    np.testing.assert_allclose(found.pixel_matrix[0], [[1, 0, 10], [0, 1, 8]], atol=0.02)
    np.testing.assert_allclose(found.aligned, fixed, atol=0.05)


def test_pairs_are_independent_and_have_channels(rng):
    pairs = [
        moved_pair(transforms.Translation(), np.array(shift, "float32"), rng)
        for shift in ([0.1, 0], [0, -0.2])
    ]
    moving, fixed = (
        np.stack(images)[..., None] * [1, -2, 0.5] for images in zip(*pairs, strict=True)
    )
    found = register(moving, fixed, "translation", verbose=0)
    np.testing.assert_allclose(found.theta, [[0.1, 0], [0, -0.2]], atol=3e-3)
    alone = register(moving[1:], fixed[1:], "translation", verbose=0)
    np.testing.assert_allclose(alone.theta[0], found.theta[1], atol=1e-3)


def test_a_mask_hides_what_did_not_move(rng):
    moving, fixed = moved_pair(transforms.Translation(), np.array([0.1, 0.05], "float32"), rng)
    other = smooth_noise(rng)
    hidden = np.zeros(SIZE, bool)
    hidden[:, 36:] = True
    fixed = np.where(hidden, 3 * other, fixed)
    moving = np.where(np.roll(hidden, 4, axis=1) & hidden, 3 * other, moving)
    found = register(moving, fixed, "translation", mask=~hidden, verbose=0)
    np.testing.assert_allclose(found.theta, [[0.1, 0.05]], atol=5e-3)


def test_robust_fits_most_rather_than_all(rng):
    true = np.array([0.1, 0.05], "float32")
    moving, fixed = moved_pair(transforms.Translation(), true, rng)
    hidden = smooth_noise(rng)
    fixed[20:44, 20:44], moving[20:44, 20:44] = 2 * hidden[20:44, 20:44], 2 * hidden[20:44, 20:44]
    errors = [
        np.abs(register(moving, fixed, "translation", robust=robust, verbose=0).theta - true).max()
        for robust in (False, True)
    ]
    assert errors[1] < min(5e-3, errors[0] / 2)


def test_bounds_hold(rng):
    moving, fixed = moved_pair(transforms.Affine(), np.array(THETAS["affine"], "float32"), rng)
    bounds = {"shift": (-0.01, 0.01), "b": 0.0}
    found = register(moving, fixed, "affine", bounds=bounds, verbose=0)
    assert np.abs(found.theta[:, [2, 5]]).max() <= 0.01
    assert found.theta[0, 1] == 0


@pytest.mark.slow
def test_a_spline_is_found(rng):
    transform = transforms.ThinPlateSpline((3, 4))
    theta = rng.normal(0, 0.05, transform.num_parameters).astype("float32")
    moving, fixed = moved_pair(transform, theta, rng)
    found = register(moving, fixed, transform, verbose=0)
    before, after = (np.mean((image - fixed) ** 2) for image in (moving, found.aligned))
    assert after < 0.1 * before
    assert found.pixel_matrix is None


@pytest.mark.slow
def test_a_flow_is_found_and_does_not_fold(rng):
    flow = 4 * smooth_noise(rng, channels=(2,), sigma=12.0)
    flow *= np.exp(-(np.linspace(-2, 2, SIZE[0])[:, None, None] ** 2))
    moving, fixed = moved_pair(transforms.DenseFlow(SIZE), flow.reshape(-1), rng)
    moving = np.where(np.isfinite(moving), moving, 0)
    found = register(moving, fixed, "dense_flow", verbose=0)
    inner = (slice(8, -8), slice(8, -8))
    before, after = (np.mean((i - fixed)[inner] ** 2) for i in (moving, found.aligned))
    assert after < 0.1 * before
    assert found.theta.shape == (1, *SIZE, 2)
    assert folds(found.theta[0]) == 0


def folds(flow):
    """Pixels at which a flow turns the image over."""
    x, y = flow[..., 0], flow[..., 1]
    determinant = (1 + np.diff(x, axis=1)[:-1]) * (1 + np.diff(y, axis=0)[:, :-1])
    determinant -= np.diff(x, axis=0)[:, :-1] * np.diff(y, axis=1)[:-1]
    return (determinant <= 0).sum()


@pytest.mark.slow
def test_mutual_information_aligns_another_modality(rng):
    """Bright is dark and dark is bright, and neither in a straight line."""
    theta = np.array(THETAS["similarity"], "float32")
    moving, fixed = moved_pair(transforms.Similarity(), theta, rng)
    moving = np.cos(1.5 * moving)
    found = register(moving, fixed, "similarity", loss="mutual_information", verbose=0)
    assert corner_error(found.theta, theta, transforms.Similarity()) < 0.5


def test_a_loss_of_your_own(rng):
    moving, fixed = moved_pair(transforms.Translation(), np.array([0.1, 0.05], "float32"), rng)

    def absolute(fixed, warped, weights):
        return ops.sum(ops.abs(fixed - warped) * weights, axis=(1, 2))

    found = register(moving, fixed, "translation", loss=absolute, verbose=0)
    np.testing.assert_allclose(found.theta, [[0.1, 0.05]], atol=5e-3)


def test_the_same_seed_finds_the_same(rng):
    moving, fixed = moved_pair(transforms.Translation(), np.array([0.1, 0.05], "float32"), rng)
    settings = {"loss": "mutual_information", "steps": 5, "seed": 3, "verbose": 0}
    thetas = [register(moving, fixed, "translation", **settings).theta for _ in range(2)]
    np.testing.assert_array_equal(*thetas)


def test_losses_are_those_of_numpy(rng):
    fixed, warped = rng.normal(size=(2, 2, 500, 1)).astype("float32")
    warped += fixed
    weights = np.full((2, 500, 1), 1 / 500, "float32")
    tensors = [ops.convert_to_tensor(array) for array in (fixed, warped, weights)]
    found = {name: ops.convert_to_numpy(loss(*tensors)) for name, loss in losses.LOSSES.items()}
    for pair in range(2):
        a, b = fixed[pair, :, 0], warped[pair, :, 0]
        np.testing.assert_allclose(found["mse"][pair], np.mean((a - b) ** 2), rtol=1e-4)
        np.testing.assert_allclose(found["ncc"][pair], 1 - np.corrcoef(a, b)[0, 1], rtol=1e-3)
    # Twenty thousand points of a Gaussian with a correlation of 0.8.
    normal = rng.normal(size=(2, 1, 20_000, 1)).astype("float32")
    weights = np.full((1, 20_000, 1), 1 / 20_000, "float32")
    arrays = normal[0], 0.8 * normal[0] + 0.6 * normal[1], weights
    information = -float(losses.mutual_information(*map(ops.convert_to_tensor, arrays))[0])
    assert information == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.08)


def test_mutual_information_has_a_gradient_that_agrees_with_finite_differences(rng):
    fixed, warped = rng.normal(size=(2, 1, 40, 1)).astype("float32")
    weights = np.full((1, 40, 1), 1 / 40, "float32")

    def loss(warped):
        values = ops.convert_to_tensor(fixed), warped, ops.convert_to_tensor(weights)
        return ops.sum(losses.mutual_information(*values))

    _, (gradient,) = value_and_gradients(loss, warped)
    inner = np.argsort(np.abs(warped[0, :, 0]))[3]
    step = np.zeros_like(warped)
    step[0, inner] = 5e-3
    slope = (
        value_and_gradients(loss, warped + step)[0] - value_and_gradients(loss, warped - step)[0]
    )
    np.testing.assert_allclose(gradient[0, inner, 0], slope / 1e-2, rtol=0.05, atol=1e-4)


def test_levels_keep_means_and_edges(rng):
    images = rng.random((1, 33, 40, 2)).astype("float32")
    small, middle, whole = pyramid(images, 3)
    assert [level.shape[1:3] for level in (small, middle, whole)] == [(9, 10), (17, 20), (33, 40)]
    assert small.mean() == pytest.approx(images.mean(), abs=0.01)
    ramp = np.linspace(0, 1, 64, dtype="float32")[None, :, None, None] * np.ones(
        (1, 1, 64, 1), "float32"
    )
    half = pyramid(ramp, 2)[0][0, 1:-1, 5, 0]
    np.testing.assert_allclose(half, (ramp[0, 2:-2:2, 0, 0] + ramp[0, 3:-2:2, 0, 0]) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "count"),
    [("affine", 81), ("attention", 27), ("translation", 9), ("rotation", 3), ("tps", 1)],
)
def test_starts_are_shifted_scaled_and_turned(family, count):
    transform = transforms.get(family)
    starts = starts_around(transform, transform.identity)
    np.testing.assert_array_equal(starts[0], transform.identity)
    assert len(np.unique(starts, axis=0)) == count


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"moving": np.ones((3,))}, "moving"),
        ({"moving": np.full((64, 72), np.nan)}, "finite"),
        ({"moving": np.ones((64, 72, 3))}, "as many channels"),
        ({"fixed": np.ones((64, 72))}, "constant"),
        ({"mask": np.zeros((64, 72))}, "mask"),
        ({"mask": np.ones((3, 72))}, "mask"),
        ({"loss": "l1"}, "loss"),
        ({"levels": 0}, "levels"),
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"bounds": [1]}, "bounds"),
        ({"bounds": {"tx": (0.5, -0.5)}}, "low <= high"),
        ({"transform": transforms.DenseFlow((10, 10))}, "flow of size"),
        ({"initial_theta": [1, 2, 3]}, "initial_theta"),
        ({"initial_theta": [1, 0, 9, 0, 1, 0], "levels": 1}, "overlap"),
        ({"transform": "dense_flow", "bounds": {"offset": 0.0}}, "bounds"),
        ({"transform": "dense_flow", "initial_theta": np.zeros((64, 72, 2))}, "initial_theta"),
    ],
)
def test_bad_input_is_refused(changed, message, rng):
    images = {"moving": smooth_noise(rng), "fixed": smooth_noise(rng)}
    with pytest.raises(ValueError, match=message):
        register(**{**images, "verbose": 0, **changed})


def pictures(folder, rng):
    fixed = np.clip(60 * smooth_noise(rng, (96, 96), (3,), 3.0) + 128, 0, 255)
    theta = from_pixel_matrix(
        np.array([[[1.02, 0.05, -3], [-0.05, 1.02, 2]]], "float32"), input_size=(96, 96)
    )
    moving = ops.convert_to_numpy(warp(fixed[None], theta, fill_mode="reflect"))[0]
    for name, picture in (("fixed", fixed), ("moving", moving)):
        keras.utils.save_img(
            folder / f"{name}.png", picture, data_format="channels_last", scale=False
        )
    return [str(folder / f"{name}.png") for name in ("moving", "fixed")]


def test_the_command_line_writes_pictures_and_matrix(tmp_path, rng, monkeypatch, capsys):
    pytest.importorskip("PIL")
    out = tmp_path / "new" / "aligned.png"
    command = ["registration", *pictures(tmp_path, rng), "--out", str(out), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--transform", "similarity"])
    main()
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "aligned-checkerboard.png",
        "aligned.json",
        "aligned.png",
    ]
    found = json.loads(out.with_suffix(".json").read_text())
    inverse = np.linalg.inv([[1.02, 0.05, -3], [-0.05, 1.02, 2], [0, 0, 1]])[:2]
    np.testing.assert_allclose(found["matrix"], inverse, atol=0.1)
    aligned, fixed = (
        keras.utils.img_to_array(keras.utils.load_img(path), data_format="channels_last")
        for path in (out, tmp_path / "fixed.png")
    )
    assert np.abs(aligned - fixed)[10:-10, 10:-10].mean() < 4
    assert "aligned.png" in capsys.readouterr().out


def test_the_command_line_works_whatever_keras_s_data_format(tmp_path, rng, monkeypatch):
    pytest.importorskip("PIL")
    out = tmp_path / "aligned.png"
    command = ["registration", *pictures(tmp_path, rng), "--out", str(out), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--transform", "translation"])
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    main()
    assert out.exists()


def test_the_command_line_tells_of_a_bad_match(tmp_path, rng, monkeypatch, capsys):
    pytest.importorskip("PIL")
    pictures(tmp_path, rng)
    noise = np.repeat(rng.uniform(0, 255, (96, 96, 1)), 3, axis=-1)
    path = tmp_path / "noise.png"
    keras.utils.save_img(path, noise, data_format="channels_last", scale=False)
    command = ["registration", str(path), str(tmp_path / "fixed.png"), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "aligned.png")])
    main()
    assert "match badly" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png", "fixed.png", "--out", "a.png"], "expected a picture at missing.png"),
        (["moving.png", "fixed.png", "--out", "a.jpg"], "expected --out to end in .png"),
        (["moving.png", "fixed.png", "--out", "a.png", "--levels", "0"], "levels"),
    ],
)
def test_the_command_line_says_what_is_wrong_on_one_line(
    arguments, message, tmp_path, rng, monkeypatch, capsys
):
    pytest.importorskip("PIL")
    pictures(tmp_path, rng)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["registration", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "a.png").exists()


def test_help_names_the_losses(capsys):
    with pytest.raises(SystemExit):
        command_line().parse_args(["--help"])
    assert "mutual_information" in capsys.readouterr().out
