"""
Title: Straightening images with a spatial transformer
Author: The stn-keras authors
Date created: 2026/11/29
Last modified: 2026/11/29
Description: A layer that learns to turn, scale and shift its input, from class labels alone.
Accelerator: None
"""

"""
## Introduction

A convolutional network recognizes a pattern wherever it is, but not however it is turned or scaled.
It has to learn each pose from examples. A **spatial transformer** ([Jaderberg et al.,
2015](https://arxiv.org/abs/1506.02025)) brings the image into one pose first. It has three parts:

1. a *localization network* looks at the image and predicts a few numbers, `theta`;
2. a *grid generator* turns `theta` into the places at which the image will be read;
3. a *sampler* reads the image there, between pixels, by bilinear interpolation.

All three are differentiable, so the transformer learns together with the classifier behind it. No
label says where an object is or how it is turned.

In this example a small network classifies digits that are turned, scaled and shifted at random,
with and without a transformer. The layer comes from `stn_keras`, which runs on TensorFlow, JAX and
PyTorch.
"""

"""
## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # or "jax", or "torch"

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

from stn_keras import SpatialTransformer, with_spatial_transformer
from stn_keras.ops import warp
from stn_keras.optimizers import with_localization_rate

keras.utils.set_random_seed(0)

num_classes = 10
input_shape = (28, 28, 1)
num_train = 20_000
batch_size = 128
num_epochs = 10

"""
## Prepare the data

MNIST's digits stand upright in the middle of their images. We give each of them a pose of its own:
turned by up to 60 degrees, up to twice as small, and shifted by up to a fifth of the image. `warp`
reads images at the places that `theta` says. Here `theta` has the four numbers of a similarity
transform: scale, angle in radians, and the shift along x and y in halves of the image.

`theta` maps the output to the input. A scale of 2 reads twice as much as the image is wide, so the
digit becomes half as large.
"""


def distort(images, random):
    count = len(images)
    theta = np.stack(
        [
            random.uniform(1.0, 2.0, count),
            np.radians(random.uniform(-60, 60, count)),
            random.uniform(-0.4, 0.4, count),
            random.uniform(-0.4, 0.4, count),
        ],
        axis=-1,
    )
    images = images[..., None].astype("float32") / 255
    return ops.convert_to_numpy(warp(images, theta.astype("float32"), "similarity"))


(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
random = np.random.default_rng(0)
x_train, y_train = distort(x_train[:num_train], random), y_train[:num_train]
x_test = distort(x_test, random)
x_train, x_validation = np.split(x_train, [-2_000])
y_train, y_validation = np.split(y_train, [-2_000])

print(f"x_train {x_train.shape}, x_validation {x_validation.shape}, x_test {x_test.shape}")


def show_images(rows, titles, count=10):
    _, axes = plt.subplots(len(rows), count, figsize=(count, 1.2 * len(rows)))
    axes = np.reshape(axes, (len(rows), count))
    for images, title, row in zip(rows, titles, axes, strict=True):
        row[0].set_ylabel(title)
        for image, axis in zip(images, row, strict=False):
            axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
    plt.tight_layout()
    plt.show()


show_images([x_train[:10], x_train[10:20]], ["", ""])

"""
## Build the models

The classifier is a small convolutional network.
"""


def build_classifier():
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="classifier",
    )


"""
The localization network may be any model from images to features. The transformer adds the last
layer, which predicts `theta`, and initializes it so that the transformer is the identity before
training. The network behind it starts where it would without a transformer.
"""


def build_localization_network():
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
        ],
        name="localization",
    )


"""
`transform="similarity"` allows for scale, angle and shift, and for nothing else. Bounds keep the
transformer from turning a 6 into a 9, or from running out of the image, while it has not learned
much.
"""


def build_transformer():
    return SpatialTransformer(
        build_localization_network(),
        transform="similarity",
        bounds={"scale": (0.4, 1.6), "rotation_degrees": (-90, 90), "shift": (-0.6, 0.6)},
        name="spatial_transformer",
    )


plain = build_classifier()
transformed = with_spatial_transformer(build_classifier(), build_transformer())
transformed.summary()

"""
## Train them

A localization network that learns too fast moves the image away before the classifier has learned
anything from it. It gets half of the learning rate.
"""


def train(model):
    optimizer = keras.optimizers.Adam(2e-3)
    if model is transformed:
        optimizer = with_localization_rate(optimizer, model, 0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model.fit(
        x_train,
        y_train,
        batch_size=batch_size,
        epochs=num_epochs,
        validation_data=(x_validation, y_validation),
        verbose=2,
    ).history


histories = {"plain": train(plain), "transformed": train(transformed)}

"""
## Compare them
"""

for name, model in (("plain", plain), ("transformed", transformed)):
    _, accuracy = model.evaluate(x_test, y_test, batch_size=512, verbose=0)
    plt.plot(histories[name]["val_accuracy"], label=name)
    print(f"{name}: {accuracy:.2%} of the test images are classified correctly")
plt.xlabel("epoch")
plt.ylabel("validation accuracy")
plt.legend()
plt.show()

"""
The transformer has learned to bring the digits into one pose. Above are test images, below what the
classifier sees of them.
"""

transformer = transformed.get_layer("spatial_transformer")
straightened = ops.convert_to_numpy(transformer(x_test[:10]))
show_images([x_test, straightened], ["input", "output"])

"""
How well does it undo a turn? We turn one test digit from -60 to 60 degrees and ask for the angle
that the transformer predicts. The slope would be -1 for one that undoes every turn completely.
"""

angles = np.linspace(-60, 60, 25)
theta = np.zeros((25, 4), "float32")
theta[:, 0], theta[:, 1] = 1.0, np.radians(angles)
turned = warp(np.repeat(x_test[:1], 25, axis=0), theta, "similarity")
predicted = np.degrees(ops.convert_to_numpy(transformer.predict_theta(turned))[:, 1])
plt.plot(angles, predicted)
plt.xlabel("turned by, degrees")
plt.ylabel("angle in theta, degrees")
plt.show()
print(f"slope {np.polyfit(angles, predicted, 1)[0]:.2f}")

"""
## Conclusion

The same classifier makes far fewer mistakes behind a spatial transformer, which learned from the
class labels alone to straighten its input.

Where objects differ in other ways, take another `transform`: `"translation"`, `"affine"`,
`"homography"` for a camera's view, `"tps"` for things that bend. Where they are small in a large
picture, give the transformer an `output_size`: it then cuts a window out of the picture, at the
picture's own resolution.
"""
