"""Traffic signs at random places on photographs: where to look is learned from the labels alone."""

from dataclasses import dataclass, replace

import numpy as np

from data_prep.distortions.signs import MovedSign
from experiments.catalogue import gtsrb
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment

WINDOW, FILTERS = 24, 12
# The window is never as large as a sign's whole range of places: otherwise it grows to hold the
# sign wherever it is, and follows nothing.
EXTENT, SCALES = 0.42, (0.1, 0.45)
# At first signs stand upright in the middle, as large as they are, on any background.
START = ((0.5, 1.0, 0.5, 0.5, *[None] * 10),)


@dataclass(frozen=True)
class MovedSignsData:
    """The data of `gtsrb-moved`, or the true windows of its pictures.

    Attributes:
        window: height and width of the windows; None: whole pictures.
    """

    window: int | None = None

    def load(self, folder, data_dir=None):
        """Training signs in their frames; those held out and test signs, moved once.

        Raises:
            UserError: GTSRB cannot be found or read.
        """
        from data_prep.sets.moved_signs import framed, make_moved_signs
        from data_prep.sources import data_folder
        from data_prep.sources.gtsrb import CLASSES, read_gtsrb

        signs = read_gtsrb(data_folder(data_dir))
        made, (kept, _) = make_moved_signs(signs, DATA_SEED), signs.split(DATA_SEED)
        parts = {
            name: LabelledImages(
                self._shown(getattr(made, f"{name}_images"), getattr(made, f"{name}_windows")),
                getattr(made, f"{name}_labels"),
                windows=getattr(made, f"{name}_windows") if self.window is None else None,
            )
            for name in ("validation", "test")
        }
        return Data(
            training=TrainingImages(framed(signs.training, kept), signs.training.labels[kept]),
            validation=parts["validation"],
            test={"test": parts["test"]},
            num_classes=len(CLASSES),
            parameters={**made.parameters, "window": self.window},
            shown="test",
            classes=CLASSES,
        )

    def _shown(self, pictures, windows):
        """Pictures as they are, or their windows; uint8."""
        if self.window is None:
            return pictures
        from keras import ops

        from data_prep.distortions.signs import read_windows

        read = [
            ops.convert_to_numpy(read_windows(part.astype("float32"), theta, self.window))
            for part, theta in zip(_chunks(pictures), _chunks(windows), strict=True)
        ]
        return np.rint(np.concatenate(read)).astype("uint8")

    def distort(self, seed):
        """The layer that draws training images."""
        from experiments.data.random_warp import RandomWarp

        return RandomWarp(MovedSign("training", window=self.window, varied=True), seed, START)


def _chunks(array):
    return np.array_split(array, -(-len(array) // 500))


def build_model(name, input_shape, num_classes, transform=None):
    """A narrower CNN than that of `gtsrb`, on the picture or on the window of a transformer."""
    from experiments.networks.finder import FollowingTransformer, finder
    from experiments.networks.traffic_signs import cnn
    from stn_keras import models, transforms

    if name == "cnn":
        return cnn(input_shape, num_classes, filters=FILTERS)
    family = transforms.get(transform or "similarity")
    transformer = FollowingTransformer(
        finder(input_shape),
        family,
        following=1.0,
        initial_theta=family.window(extent=(EXTENT, EXTENT)),
        bounds={"scale": SCALES},
        output_size=(WINDOW, WINDOW),
        fill_mode="nearest",
        name="spatial_transformer",
    )
    classifier = cnn((WINDOW, WINDOW, input_shape[-1]), num_classes, filters=FILTERS)
    return models.with_spatial_transformer(classifier, transformer, input_shape=input_shape)


# Drawn afresh for every batch, the pictures need no other changes.
BEST = replace(gtsrb.BEST, epochs=24, augment=None, per_model={}, curriculum=0.5)
PICTURES = replace(BEST, per_model={"stn-cnn": {"localization_rate": 0.4}})


def make_experiment(name, title, models, best, window=None):
    """The `Experiment` on pictures, or on true windows."""
    data = MovedSignsData(window)
    return Experiment(
        name=name,
        title=title,
        models=models,
        build_model=build_model,
        load_data=data.load,
        schedules={"best": best, "quick": replace(best, epochs=2)},
        distort=data.distort,
    )


EXPERIMENT = make_experiment(
    "gtsrb-moved", "Traffic signs at random places on photographs", ("cnn", "stn-cnn"), PICTURES
)
TRUE_WINDOWS = make_experiment(
    "gtsrb-moved-windows", "The true windows of the same pictures", ("cnn",), BEST, WINDOW
)
