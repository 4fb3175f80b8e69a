"""python examples/learned_registration.py: a network learns to align digits, without labels.

A U-Net looks at two digits of one class and predicts a velocity; the flow that follows it warps the
first onto the second. It is trained by their correlation and by smoothness alone, as VoxelMorph
(Balakrishnan et al. 2019, arXiv:1809.05231). Pairs it has never seen are then aligned in one pass.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from stn_keras.ops import integrate, warp
from stn_keras.transforms import DenseFlow

SIZE, SMOOTHNESS = 32, 1.0


class Align(keras.layers.Layer):
    """Moving images and a velocity -> the moving images warped, whose loss is added."""

    def call(self, moving, fixed, velocity):
        flow = integrate(velocity)
        aligned = warp(moving, flow, DenseFlow((SIZE, SIZE)))
        slopes = [ops.diff(velocity, axis=axis) for axis in (1, 2)]
        roughness = sum(ops.mean(slope**2) for slope in slopes)
        self.add_loss(1 - correlation(aligned, fixed) + SMOOTHNESS * roughness)
        return aligned, flow


def correlation(first, second):
    """Mean correlation of images (N, H, W, 1)."""
    axes = (1, 2, 3)
    first, second = (image - ops.mean(image, axes, keepdims=True) for image in (first, second))
    power = ops.sum(first**2, axes) * ops.sum(second**2, axes)
    return ops.mean(ops.sum(first * second, axes) / ops.sqrt(power + 1e-6))


def network():
    """Moving and fixed images -> the moving ones aligned, and the flow."""
    moving, fixed = (keras.Input((SIZE, SIZE, 1), name=name) for name in ("moving", "fixed"))
    x, skipped = layers.Concatenate()([moving, fixed]), []
    for filters in (16, 32, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skipped.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    for skip in reversed(skipped):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
        x = layers.Conv2D(skip.shape[-1], 3, padding="same", activation="relu")(x)
    # Small at first: no motion.
    small = keras.initializers.RandomNormal(stddev=1e-4)
    velocity = layers.Conv2D(2, 3, padding="same", kernel_initializer=small)(x)
    return keras.Model([moving, fixed], Align()(moving, fixed, velocity))


def load_digits(path):
    """MNIST, from a file in Keras's layout, or downloaded."""
    if path is None:
        return keras.datasets.mnist.load_data()
    with np.load(path, allow_pickle=False) as file:
        return [(file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test")]


def pairs(images, count, rng):
    """Random pairs of images, (moving, fixed), each (count, 32, 32, 1) in [0, 1]."""
    padded = np.pad(images.astype("float32") / 255, ((0, 0), (2, 2), (2, 2)))[..., None]
    return [padded[rng.integers(len(padded), size=count)] for _ in range(2)]


def dice(first, second):
    """Overlap of two masks (N, H, W, 1), the mean over the pairs."""
    both = 2 * (first & second).sum((1, 2, 3))
    return np.mean(both / (first.sum((1, 2, 3)) + second.sum((1, 2, 3))))


def folded(flow):
    """Share of pixels at which flows (N, H, W, 2) turn an image over."""
    across, down = np.diff(flow, axis=2)[:, :-1], np.diff(flow, axis=1)[:, :, :-1]
    determinant = (1 + across[..., 0]) * (1 + down[..., 1]) - down[..., 0] * across[..., 1]
    return np.mean(determinant <= 0)


def draw(path, *rows):
    """The first images of each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(rows), 8, figsize=(8, len(rows)), layout="constrained")
    for line, images in zip(axes, rows, strict=True):
        for axis, image in zip(line, images[:8], strict=True):
            axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
            axis.axis("off")
    figure.savefig(path, dpi=80)


def main():
    """Train, align unseen pairs, print how well they overlap."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digit", type=int, default=5, choices=range(10), help="default: 5")
    parser.add_argument("--epochs", type=int, default=10, help="default: 10")
    parser.add_argument("--mnist", type=Path, metavar="NPZ", help="mnist.npz; default: downloaded")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw some pairs here")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    (train, train_labels), (test, test_labels) = load_digits(arguments.mnist)
    rng = np.random.default_rng(0)
    model = network()
    model.compile(keras.optimizers.Adam(1e-3))
    seen = pairs(train[train_labels == arguments.digit], 4096, rng)
    model.fit(seen, epochs=arguments.epochs, batch_size=32, verbose=2)

    moving, fixed = pairs(test[test_labels == arguments.digit], 500, rng)
    aligned, flow = model.predict([moving, fixed], verbose=0)
    print(f"Dice of {len(moving)} unseen pairs before: {dice(moving > 0.5, fixed > 0.5):.3f}")
    masks = ops.convert_to_numpy(
        warp((moving > 0.5).astype("float32"), flow, DenseFlow((SIZE, SIZE)))
    )
    print(f"after: {dice(masks > 0.5, fixed > 0.5):.3f}, folded: {folded(flow):.2%} of pixels")
    if arguments.picture:
        draw(arguments.picture, moving, fixed, aligned)


if __name__ == "__main__":
    main()
