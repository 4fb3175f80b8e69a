"""python -m benchmarks.training_step: training the post's STN against the same network in torch."""

import keras
import numpy as np
from keras import ops

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side, times_faster
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.networks.keras_post import cnn, localization_net
from experiments.training.malloc import keep_freed_pages
from stn_keras import SpatialTransformer

BATCH, STEPS, SEED = 128, 100, 0
# Steps that `fit` runs before it returns to Python, by `model.compile(steps_per_execution=...)`.
AT_ONCE = 25
EACH, OURS = "stn-keras, model.fit", f"stn-keras, {AT_ONCE} steps per execution"
WITHOUT = "the same without grid and sampler"
TORCH, CHANNELS_LAST = "torch", "torch, channels last"


class NoSampling(SpatialTransformer):
    """Learns theta and adds its mean to the images, in place of grid and sampler."""

    def _warp(self, images, theta):
        return images + ops.reshape(ops.mean(theta, axis=-1), (-1, 1, 1, 1))


def keras_epoch(transformer, images, labels, steps=AT_ONCE):
    """A function that trains the post's STN for an epoch of `model.fit`."""
    inputs = keras.Input(images.shape[1:])
    classifier = cnn(images.shape[1:])
    outputs = classifier(transformer(localization_net(images.shape[1:]))(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(), "sparse_categorical_crossentropy", steps_per_execution=steps
    )
    return lambda: model.fit(images, labels, batch_size=BATCH, verbose=0)


def torch_network():
    """The same network in torch."""
    import torch
    from torch import nn
    from torch.nn import functional

    def convolutional(first, second, kernel, features):
        return nn.Sequential(
            *(nn.Conv2d(1, first, kernel), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(first, second, kernel), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            *(nn.Linear(features, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        )

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.localization, self.theta = convolutional(14, 32, 5, 512), nn.Linear(84, 6)
            self.classifier, self.scores = convolutional(6, 16, 3, 400), nn.Linear(84, 10)
            nn.init.zeros_(self.theta.weight)
            self.theta.bias.data = torch.tensor([1.0, 0, 0, 0, 1, 0])

        def forward(self, images):
            theta = self.theta(self.localization(images)).view(-1, 2, 3)
            grid = functional.affine_grid(theta, images.shape, align_corners=False)
            straightened = functional.grid_sample(images, grid, align_corners=False)
            return self.scores(self.classifier(straightened))

    return Network()


def torch_epoch(images, labels, channels_last):
    """A function that trains torch's network for an epoch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_network().to(device, memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), eps=1e-7)
    images = (
        torch.tensor(images, device=device).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    )
    labels = torch.tensor(labels, device=device)

    def epoch():
        order = torch.randperm(len(labels), device=device)
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            scores = network(images[batch])
            torch.nn.functional.cross_entropy(scores, labels[batch]).backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return epoch


def main():
    """Measure, print, write the results."""
    rounds, out = rounds_and_folder("training_step", __doc__)
    keep_freed_pages()  # as train.py does; torch's steps use it too
    rng = np.random.default_rng(SEED)
    images = rng.random((BATCH * STEPS, 28, 28, 1), "float32")
    labels = rng.integers(0, 10, len(images))
    functions = {
        EACH: keras_epoch(SpatialTransformer, images, labels, steps=1),
        OURS: keras_epoch(SpatialTransformer, images, labels),
        WITHOUT: keras_epoch(NoSampling, images, labels),
        TORCH: torch_epoch(images, labels, channels_last=False),
        CHANNELS_LAST: torch_epoch(images, labels, channels_last=True),
    }
    side_by_side(functions, rounds=1)  # compiles
    seconds = side_by_side(functions, rounds)
    rows = [
        {
            "name": name,
            "milliseconds_a_step": round(1e3 * taken / STEPS, 2),
            "images_a_second": round(len(images) / taken),
        }
        for name, taken in medians(seconds).items()
    ]
    content = {
        "batch": BATCH,
        "steps": STEPS,
        "rounds": rounds,
        "rows": rows,
        "steps_per_execution": AT_ONCE,
        "times_torch_step_by_step": round(times_faster(seconds, EACH, TORCH), 2),
        "times_torch": round(times_faster(seconds, OURS, TORCH), 2),
        "times_torch_channels_last": round(times_faster(seconds, OURS, CHANNELS_LAST), 2),
        "part_of_grid_and_sampler": round(1 - 1 / times_faster(seconds, WITHOUT, OURS), 3),
    }
    for row in rows:
        print(
            f"{row['name']:36} {row['milliseconds_a_step']:7.2f} ms a step "
            f"{row['images_a_second']:8,} images a second"
        )
    for name, value in content.items():
        if name.startswith(("times", "part")):
            print(f"{name.replace('_', ' ')}: {value}")
    path = out / f"training-step-{device_slug()}.json"
    write_json(path, {**content, "environment": describe("torch")})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.training_step")
