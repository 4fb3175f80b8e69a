"""A user's own pictures: a CNN with and without a spatial transformer on root/<class>/**."""

from dataclasses import replace

import numpy as np

from cli.errors import UserError, printable
from data_prep.sources import named_folder
from data_prep.sources.picture_tree import first_of
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment, JitterRanges, Schedule

# Of the pictures that are there to split, how many are held out: at least one of each kind.
TEST_SHARE, VALIDATION_SHARE = 0.15, 0.15


def load_data(folder, data_dir=None, image_size=None, skip_broken=False):
    """The pictures of a folder; they stay in their files until a batch needs them.

    Prints what in the folder is not read.

    Args:
        folder: the experiment's; nothing is kept there.
        data_dir: root of root/<class>/**, or of root/train/<class>/** and the same of test,
            validation or both; a part that is not there is split off train. None: STN_DATA_DIR.
        image_size: height and width that pictures are resized to; None: the median of theirs,
            at most 96 pixels.
        skip_broken: leave out pictures that cannot be read.

    Raises:
        UserError: there is no such folder, or it has too few pictures, or broken ones.
    """
    from data_prep.sources.image_folder import (
        LARGEST_GUESSED_SIDE,
        ImageFiles,
        find_images,
        guess_shape,
    )

    root = named_folder(data_dir)
    if not root:
        raise UserError("expected --data-dir ROOT with pictures in ROOT/CLASS/, got none")
    found = find_images(root)
    for note in found.notes():
        print(note)
    found = whole_pictures(found, image_size or LARGEST_GUESSED_SIDE, skip_broken)
    training, validation, test = parts(found)
    shape = guess_shape(found.training.paths, image_size)
    return Data(
        training=TrainingImages(ImageFiles(training.paths, shape), training.labels),
        validation=LabelledImages(ImageFiles(validation.paths, shape), validation.labels),
        test={"test": LabelledImages(ImageFiles(test.paths, shape), test.labels)},
        num_classes=len(found.classes),
        parameters={
            "seed": DATA_SEED,
            "image_shape": list(shape),
            "classes": list(found.classes),
            "source_sha256": found.fingerprint(),
        },
        shown="test",
        classes=found.classes,
    )


def whole_pictures(found, side, skip_broken):
    """The folder without broken pictures.

    Args:
        found: `data_prep.sources.image_folder.ImageFolder`.
        side: height and width that pictures are read at.
        skip_broken: leave broken ones out, and print which.

    Raises:
        UserError: there are broken ones and they are not to be left out, or nothing else is.
    """
    from data_prep.sources.picture_files import find_broken

    broken = find_broken(found.paths, side)
    if not broken:
        return found
    if skip_broken:
        print(printable(f"left out broken pictures: {first_of([*map(found.name, broken)])}"))
        return found.without(broken)
    named = first_of([f"{found.name(path)}: {reason}" for path, reason in broken.items()], "; ")
    raise UserError(
        f"expected whole pictures in {found.root}, got broken ones: {named}; "
        "--skip-broken leaves them out"
    )


def parts(found):
    """(training, validation, test) pictures of a folder; what it has no part for is split off.

    Raises:
        UserError: a class has too few pictures to split.
    """
    training, validation, test = found.training, found.validation, found.test
    needed = 1 + (validation is None) + (test is None)
    counts = np.bincount(training.labels)
    if counts.min() < needed:
        folder = training.root / found.classes[counts.argmin()]
        raise UserError(
            f"expected at least {needed} pictures to split in {folder}, got {counts.min()}"
        )
    if test is None:
        if validation is not None:
            print(f"no test part: {100 * TEST_SHARE:.0f} % of train are kept for testing")
        training, test = split(training, TEST_SHARE)
    if validation is None:
        training, validation = split(training, VALIDATION_SHARE)
    return training, validation, test


def split(part, share):
    """Part the pictures of every class, of at least two, alike, at random by the data seed.

    Returns:
        (kept, held out).
    """
    rng = np.random.default_rng(DATA_SEED)
    held_out = np.zeros(len(part.labels), bool)
    for label in range(part.labels.max() + 1):
        (indices,) = (part.labels == label).nonzero()
        count = max(1, round(share * len(indices)))
        held_out[rng.choice(indices, count, replace=False)] = True
    return part.take(~held_out), part.take(held_out)


def build_model(
    name, input_shape, num_classes, transform=None, *, backbone=None, weights="none", window=None
):
    """A small CNN for pictures of any size, or a backbone, alone or with a transformer.

    Raises:
        UserError: the backbone's weights cannot be read, or the window is larger than the pictures.
    """
    from stn_keras import models

    if name == "cnn":
        return build_classifier(backbone, weights, input_shape, num_classes)
    if name == "stn-cnn-features":
        on_maps = make_transformer(transform)
        return build_classifier(backbone, weights, input_shape, num_classes, on_maps)
    if name == "stn-cnn":
        classifier = build_classifier(backbone, weights, input_shape, num_classes)
        return models.with_spatial_transformer(classifier, make_transformer(transform))
    size = window_size(window, input_shape)
    classifier = build_classifier(backbone, weights, (*size, input_shape[-1]), num_classes)
    return models.with_spatial_transformer(
        classifier, make_cutter(transform, size, input_shape), input_shape=input_shape
    )


def build_classifier(backbone, weights, input_shape, num_classes, on_maps=None):
    """The small CNN or the backbone; `on_maps` is a layer that its maps go through."""
    if backbone is None:
        from experiments.networks.image_folder import cnn

        return cnn(input_shape, num_classes, on_maps)
    from experiments.networks.backbones import classifier

    return classifier(backbone, weights, input_shape, num_classes, on_maps)


def make_transformer(transform):
    """A transformer of pictures, or of maps."""
    from stn_keras import SpatialTransformer

    return SpatialTransformer(
        transform=transform or "affine", fill_mode="nearest", name="spatial_transformer"
    )


def window_size(window, input_shape):
    """(height, width) of the window that is cut out of pictures (H, W, C).

    Raises:
        UserError: it is larger than they are.
    """
    height, width = input_shape[:2]
    size = (window, window) if window else (-(-height // 2), -(-width // 2))
    if size[0] > height or size[1] > width:
        raise UserError(f"expected --window of at most {min(height, width)}, got {window}")
    return size


def make_cutter(transform, size, input_shape):
    """A transformer that looks at a thumbnail and cuts a window out of the picture.

    At first it reads the whole picture, shrunk: from a part without the object nothing could tell
    it where to go.
    """
    from experiments.networks.finder import finder
    from stn_keras import SpatialTransformer

    return SpatialTransformer(
        finder(input_shape, THUMBNAIL),
        transform or "attention",
        output_size=size,
        supersample=2,
        fill_mode="nearest",
        name="spatial_transformer",
    )


# Height and width of what a network looks at before it cuts a window out of a picture.
THUMBNAIL = 64
SCORES = "scores"  # the layer of that name in its network
# Muon for the convolutions, AdamW at a fifth of the rate for all else, and for the transformer at a
# fifth of that: chosen by validation on turned digits, CIFAR-10 and moved traffic signs.
BEST = Schedule(
    epochs=30,
    batch_size=32,
    optimizer="ConvMuon",
    learning_rate=0.01,
    decay="warm-cosine",
    optimizer_arguments={
        "adam_lr_ratio": 0.2,
        "weight_decay": 0.05,
        "exclude_layers": [SCORES, "localization", "spatial_transformer"],
    },
    augment=JitterRanges(rotation=10, scale=0.1, shift=0.1, fill_mode="nearest"),
    backbone={
        "optimizer": "AdamW",
        "learning_rate": 1e-3,
        "optimizer_arguments": {"weight_decay": 0.05},
    },
    pretrained={"frozen": 0.4},
    per_model={
        model: {"localization_rate": 0.2}
        for model in ("stn-cnn", "stn-cnn-features", "stn-cnn-crop")
    },
)

EXPERIMENT = Experiment(
    name="image-folder",
    title="Pictures of a folder",
    models=("cnn", "stn-cnn", "stn-cnn-features", "stn-cnn-crop"),
    build_model=build_model,
    load_data=load_data,
    schedules={"best": BEST, "quick": replace(BEST, epochs=5)},
    any_size=True,
    default_models=("cnn", "stn-cnn"),
)
