"""The paper's MNIST experiments: six distortions, training images drawn afresh for every batch."""

from dataclasses import dataclass, field, replace

from data_prep.sets.paper import RECIPES, make_paper_set, training_count
from data_prep.sources import load_source
from experiments.data.data import DATA_SEED, AddedDigits, Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment, JitterRanges, Schedule

SOURCE = "Jaderberg et al. 2015 (arXiv:1506.02025), 100 less its errors in percent, mean of 3 runs"


@dataclass(frozen=True)
class Column:
    """What the experiments of the paper differ in.

    Attributes:
        recipe: a key of `data_prep.sets.paper.RECIPES`.
        widths: model -> units of its dense layers or filters of its convolutions, chosen so that
            all have about as many parameters.
        window: height and width of what a transformer hands to its classifier.
        pooled: by how much the transformer's output is averaged down to the window.
        centers: (x, y) where each transformer looks at first, in halves of the image.
        extent: the part of the image's height and width that it reads there.
        errors: network -> the paper's error in percent.
        bend: see `JitterRanges`; that of our schedule.
        curriculum: see `Schedule`; that of our schedule.
        start: see `RandomWarp`; where the curriculum starts.
        fcn: what our schedule of the dense net alone has of its own; see `Schedule`.
    """

    recipe: str
    widths: dict[str, int]
    window: int
    errors: dict[str, float]
    pooled: int = 1
    centers: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    extent: float = 1.0
    bend: float = 0.07
    curriculum: float = 0.0
    start: tuple[tuple[float, ...], ...] | None = None
    fcn: dict = field(default_factory=dict)

    @property
    def digits(self):
        """How many digits an image shows; each has a transformer to itself."""
        return RECIPES[self.recipe].digits

    def load_data(self, folder, data_dir=None):
        """The training digits as they are; those held out and the test digits, distorted once.

        Raises:
            UserError: MNIST cannot be read or has too few training images.
        """
        source = load_source("mnist", data_dir)
        made = make_paper_set(self.recipe, DATA_SEED, source)
        kept = training_count(source)
        kind = TrainingImages if self.digits == 1 else AddedDigits
        return Data(
            training=kind(source.train_images[:kept], source.train_labels[:kept]),
            validation=LabelledImages(made.validation_images, made.validation_labels),
            test={"test": LabelledImages(made.test_images, made.test_labels)},
            num_classes=9 * self.digits + 1,
            parameters=made.parameters,
            shown="test",
        )

    def count_images(self, folder, data_dir=None):
        """Images of an epoch, without distorting any."""
        return training_count(load_source("mnist", data_dir))

    def distort(self, seed):
        """The layer that draws training images."""
        from experiments.data.random_warp import RandomWarp

        return RandomWarp(RECIPES[self.recipe].warp, seed, self.start)

    def build_model(self, name, input_shape, num_classes, transform=None):
        """The fully connected or the convolutional network, alone or behind transformers."""
        from experiments.networks import paper as networks
        from stn_keras import models

        convolutional = name.endswith("cnn")
        classifier = networks.paper_cnn if convolutional else networks.paper_fcn
        width = self.widths[name]
        if name in ("fcn", "cnn"):
            return classifier(input_shape, num_classes, width)
        localization = (
            networks.paper_cnn_localization_net
            if convolutional
            else networks.paper_fcn_localization_net
        )
        read_shape = (self.window, self.window, self.digits * input_shape[-1])
        network = classifier(read_shape, num_classes, width)
        transformer = self._transformer(
            self._localization(localization, input_shape), transform or "affine"
        )
        return models.with_spatial_transformer(network, transformer, input_shape=input_shape)

    def _localization(self, build, input_shape):
        """A localization network for each transformer, their features side by side."""
        import keras

        if self.digits == 1:
            return build(input_shape)
        images = keras.Input(input_shape)
        networks = [build(input_shape) for _ in range(self.digits)]
        for index, network in enumerate(networks):
            network.name = f"localization_{index}"
        features = [network(images) for network in networks]
        return keras.Model(images, keras.layers.Concatenate()(features), name="localization")

    def _transformer(self, localization, transform):
        """The transformer, one transform per digit, and where it reads at first."""
        from stn_keras import ParallelSpatialTransformer, SpatialTransformer, transforms

        family, extent = transforms.get(transform), (self.extent, self.extent)
        windows = [family.window(center, extent) for center in self.centers]
        shared = {"supersample": self.pooled, "name": "spatial_transformer"}
        shared["output_size"] = (self.window, self.window)
        if self.digits == 1:
            return SpatialTransformer(localization, family, initial_theta=windows[0], **shared)
        return ParallelSpatialTransformer(
            localization, family, count=self.digits, initial_theta=windows, **shared
        )


def errors(fcn, cnn, stn_fcn, stn_cnn=()):
    """The paper's errors by network; those with transformers affine, projective and TPS."""
    families = ("", "-homography", "-tps")
    named = {"fcn": fcn, "cnn": cnn}
    for model, values in (("stn-fcn", stn_fcn), ("stn-cnn", stn_cnn)):
        named |= {model + family: error for family, error in zip(families, values, strict=False)}
    return named


ON_28 = {"fcn": 208, "cnn": 64, "stn-fcn": 184, "stn-cnn": 62}
ON_42 = {"fcn": 121, "cnn": 64, "stn-fcn": 244, "stn-cnn": 64}
ON_60 = {"fcn": 69, "cnn": 62, "stn-fcn": 132, "stn-cnn": 64}
TWO_ON_42 = {"fcn": 114, "cnn": 84, "stn-fcn": 100, "stn-cnn": 85}

COLUMNS = (
    Column("paper-r", ON_28, 28, errors(2.1, 1.2, (1.2, 1.3, 1.1), (0.7, 0.8, 0.7))),
    Column(
        "paper-rts",
        ON_42,
        21,
        errors(5.2, 0.8, (0.8, 0.9, 0.8), (0.5, 0.6, 0.5)),
        pooled=2,
        # The dense net cannot fit even the digits as they are, so it gets no bent ones.
        fcn={"epochs": 701, "augment": None, "learning_rate": 1e-2},
    ),
    Column("paper-p", ON_28, 28, errors(3.1, 1.5, (1.5, 1.4, 1.4), (0.8, 0.8, 0.8))),
    Column("paper-e", ON_28, 28, errors(3.2, 1.4, (2.7, 2.6, 2.4), (1.2, 1.3, 1.1))),
    Column("paper-tc", ON_60, 30, errors(13.2, 3.5, (2.0,), (1.7,)), pooled=2),
    Column(
        "paper-addition",
        TWO_ON_42,
        21,
        errors(47.7, 14.7, (9.0, 5.9, 5.8)),
        pooled=2,
        bend=0.0,  # pairs of digits are new in every epoch
        # Digits that start at the left and at the right are followed by a transformer each, which
        # never part where they start together.
        curriculum=0.5,
        start=((0.5, 0.5, 0.0, 0.5), (0.5, 0.5, 1.0, 0.5)),
        centers=((-1 / 3, 0.0), (1 / 3, 0.0)),
        extent=2 / 3,
        fcn={"epochs": 240},
    ),
)

PUBLISHED = Schedule(
    epochs=701,  # 150,000 steps
    batch_size=256,
    optimizer="SGD",
    learning_rate=0.01,
    decay="thirds",
)
BEST = Schedule(
    epochs=40,
    batch_size=64,
    optimizer="ConvMuon",
    learning_rate=5e-3,
    decay="cosine",
    optimizer_arguments={
        "adam_lr_ratio": 0.4,
        "weight_decay": 0.05,
        "exclude_layers": ["localization", "spatial_transformer", "cnn/dense"],
    },
    # Half the time of a small batch of theirs goes into Muon, which takes as long for a large one.
    per_model={model: {"epochs": 120, "batch_size": 256} for model in ("fcn", "stn-fcn")},
)


def make_experiment(column):
    """The `Experiment` of a column."""
    best = replace(
        BEST,
        # However they are distorted, the digits are the same in every epoch; so they are bent too.
        augment=JitterRanges(bend=column.bend) if column.bend else None,
        curriculum=column.curriculum,
        per_model=BEST.per_model | {"fcn": BEST.per_model["fcn"] | column.fcn},
    )
    quick = replace(best, epochs=3, per_model={})
    return Experiment(
        name=column.recipe,
        title=f"The paper's MNIST, {RECIPES[column.recipe].title}",
        models=("fcn", "cnn", "stn-fcn", "stn-cnn"),
        build_model=column.build_model,
        load_data=column.load_data,
        schedules={"published": PUBLISHED, "best": best, "quick": quick},
        images_per_epoch=column.count_images,
        distort=column.distort,
        published={
            network: {"test": round(100 - error, 1)} for network, error in column.errors.items()
        },
        source=SOURCE,
    )


EXPERIMENTS = tuple(make_experiment(column) for column in COLUMNS)
