"""How much of a motion a transformer takes back: known answers of oracles and of fixed readers."""

import numpy as np
import pytest
from keras import ops

from experiments.evaluation import motion_invariance
from stn_keras import SpatialTransformer
from stn_keras.ops import identity_coordinates

SIZE = (40, 52)


@pytest.fixture
def blobs():
    """Two long blobs (2, H, W, 1), off the middle."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    images = []
    for centre_x, centre_y, angle in ((23, 21, 0.4), (28, 18, -0.6)):
        along = np.cos(angle) * (x - centre_x) + np.sin(angle) * (y - centre_y)
        across = np.cos(angle) * (y - centre_y) - np.sin(angle) * (x - centre_x)
        images.append(np.exp(-((along / 6) ** 2) / 2 - (across / 3) ** 2 / 2))
    return np.array(images, "float32")[..., None]


def frames(images):
    """Centres (N, 2) and axes (N, 2, 2) of blobs, longest first, as long as they are."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    points = np.stack([x, y], axis=-1).reshape(-1, 2)
    weights = images.reshape(len(images), -1)
    weights = weights / weights.sum(1, keepdims=True)
    centres = weights @ points
    off = points - centres[:, None]
    lengths, axes = np.linalg.eigh(np.einsum("np,npi,npj->nij", weights, off, off))
    axes = axes[..., ::-1] * np.sign(axes[:, :1, ::-1])  # to the right
    return centres, axes * np.sqrt(lengths[:, None, ::-1])


def test_what_follows_the_object_takes_all_of_every_motion_back(blobs):
    grid = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1.0]])

    def follow(images):
        centres, axes = frames(images)
        return centres[:, None] + np.einsum("nij,pj->npi", axes, grid)

    parts = motion_invariance.measure(follow, blobs)
    assert list(parts) == ["turned by 10 degrees", "scaled by 10 %", "shifted by 5 %"]
    np.testing.assert_allclose(list(parts.values()), 1, atol=0.02)


@pytest.mark.parametrize("part", [-0.5, 0.25, 1.0])
def test_what_follows_a_shift_in_part_takes_that_part_back(blobs, part):
    grid = ops.convert_to_numpy(identity_coordinates(motion_invariance.GRID, SIZE))

    def follow(images):
        return grid + part * frames(images)[0][:, None, None]

    assert motion_invariance.measure(follow, blobs)["shifted by 5 %"] == pytest.approx(
        part, abs=0.01
    )


@pytest.mark.parametrize("family", ["affine", "homography", "tps", "similarity"])
def test_a_transformer_that_does_nothing_takes_nothing_back(blobs, family):
    layer = SpatialTransformer(transform=family)
    layer(blobs)
    read = motion_invariance.coordinates_reader(layer, lambda images: layer.predict_theta(images))
    np.testing.assert_allclose(list(motion_invariance.measure(read, blobs).values()), 0, atol=1e-5)


def test_motions_are_about_the_middle_of_the_image():
    middle = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    for label, matrices in motion_invariance.motions(SIZE).items():
        moved = np.array([matrix[:, :2] @ middle + matrix[:, 2] for matrix in matrices]) - middle
        expected = [[-2.6, 0], [2.6, 0]] if label == "shifted by 5 %" else 0
        np.testing.assert_allclose(moved, np.broadcast_to(expected, (2, 2)), atol=1e-9)


def test_of_integers_and_of_floats_the_same(blobs):
    def mean_brightness(images):
        return np.broadcast_to(images.mean((1, 2, 3))[:, None, None], (len(images), 4, 2)) * 9

    whole = np.rint(blobs * 255).astype("uint8")
    parts = (
        motion_invariance.measure(mean_brightness, whole),
        motion_invariance.measure(mean_brightness, whole / 255),
    )
    assert parts[0] == pytest.approx(parts[1])
