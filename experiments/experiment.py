"""What an experiment is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

WITH_TRANSFORMER = "stn-"
DEFAULT_SCHEDULE = "best"


@dataclass(frozen=True)
class JitterRanges:
    """How far training images are moved, uniformly at random.

    Attributes:
        rotation: largest angle about the center, in degrees.
        scale: largest change of width and of height, as a part of 1.
        shift: largest shift, as a part of half the image's size.
        bend: standard deviation by which each of 4x4 control points of a thin plate spline is moved
            along an axis, as a part of half the image's size.
        flip: whether half of the images are mirrored, left for right.
        fill_mode: what is read outside the image; see `stn_keras.ops.sample`.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    bend: float = 0.0
    flip: bool = False
    fill_mode: str = "constant"

    def __call__(self, image_shape):
        """The function (images, rng) -> images that moves images (H, W, C) so far."""
        from experiments.data.jitter import Jitter

        return Jitter(self, image_shape)


class Phase(NamedTuple):
    """Epochs that are trained alike.

    Attributes:
        first: index of the first one.
        end: index behind the last one.
        frozen: whether a pretrained backbone does not learn.
        rate: factor of the learning rate.
    """

    first: int
    end: int
    frozen: bool
    rate: float


@dataclass(frozen=True)
class Schedule:
    """How an experiment's models are trained.

    Attributes:
        epochs: number of epochs.
        batch_size: images a batch.
        optimizer: name of a Keras optimizer, such as "AdamW", or of one of
            `experiments.training.optimizers`.
        learning_rate: the optimizer's largest.
        decay: what becomes of the learning rate: "constant", "cosine" to zero at the end,
            "warm-cosine", which rises to it over the first tenth of the steps, or "thirds", a tenth
            of it after each third.
        optimizer_arguments: the optimizer's other arguments.
        augment: dataclass, such as `JitterRanges`, that called with an image shape (H, W, C) gives
            the function (images, rng) -> images that each training batch goes through; None: images
            stay as they are.
        localization_rate: factor of the learning rate of the localization network; see
            `stn_keras.optimizers.with_localization_rate`.
        averaged: momentum of the weights' moving averages, which are validated and kept; 0: the
            weights themselves are.
        curriculum: part of the epochs in which the experiment's distortion grows from none to its
            whole range.
        frozen: part of the epochs in which a pretrained backbone does not learn.
        thawed_rate: factor of the learning rate after them.
        chosen_by: what the epoch that is kept is the best in: "loss" or "accuracy" on the
            validation images. A network that is too sure of itself has its lowest loss early.
        backbone: values of any of the above for models with a backbone.
        pretrained: the same where its weights are pretrained.
        per_model: model -> its own values of any of the above.
    """

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    decay: str
    optimizer_arguments: dict = field(default_factory=dict)
    augment: Callable | None = None
    localization_rate: float = 1.0
    averaged: float = 0.0
    curriculum: float = 0.0
    frozen: float = 0.0
    thawed_rate: float = 0.1
    chosen_by: str = "loss"
    backbone: dict = field(default_factory=dict)
    pretrained: dict = field(default_factory=dict)
    per_model: dict[str, dict] = field(default_factory=dict)

    def of(self, model, backbone=False, pretrained=False):
        """The schedule that a model is trained by, with a backbone or without."""
        changes = {
            **(self.backbone if backbone else {}),
            **(self.pretrained if pretrained else {}),
            **self.per_model.get(model, {}),
        }
        return replace(self, **changes, backbone={}, pretrained={}, per_model={})

    def phases(self, epochs):
        """The `Phase`s of so many epochs.

        Example:
            >>> for phase in Schedule(10, 8, "SGD", 0.1, "constant", frozen=0.4).phases(10):
            ...     print(phase)
            Phase(first=0, end=4, frozen=True, rate=1.0)
            Phase(first=4, end=10, frozen=False, rate=0.1)
        """
        end = round(self.frozen * epochs)
        if not 0 < end < epochs:
            return [Phase(0, epochs, frozen=False, rate=1.0)]
        return [
            Phase(0, end, frozen=True, rate=1.0),
            Phase(end, epochs, frozen=False, rate=self.thawed_rate),
        ]

    def rank(self, epoch):
        """What the epoch that is kept has least of, of an epoch's validated figures.

        Example:
            >>> schedule = Schedule(10, 8, "SGD", 0.1, "constant", chosen_by="accuracy")
            >>> schedule.rank({"val_accuracy": 0.75, "val_loss": 1.5})
            (-0.75, 1.5)
        """
        loss = epoch["val_loss"]
        return (-epoch["val_accuracy"], loss) if self.chosen_by == "accuracy" else (loss,)

    @property
    def described(self):
        """How models are trained, but for epochs, batch size and `per_model`, as plain data.

        Example:
            >>> Schedule(2, 8, "SGD", 0.1, "constant").described["optimizer"]
            'SGD'
        """
        return {
            "optimizer": self.optimizer,
            "learning_rate": self.learning_rate,
            "decay": self.decay,
            "optimizer_arguments": self.optimizer_arguments,
            "augment": self.augment and repr(self.augment),
            "localization_rate": self.localization_rate,
            "curriculum": self.curriculum,
            **({"frozen": self.frozen, "thawed_rate": self.thawed_rate} if self.frozen else {}),
            **({"averaged": self.averaged} if self.averaged else {}),
            **({"chosen_by": self.chosen_by} if self.chosen_by != "loss" else {}),
        }


@dataclass(frozen=True)
class Experiment:
    """A published comparison: data, models, schedules and the figures to compare with.

    Attributes:
        name: name on the command line.
        title: one line for the report.
        models: names of the models, in the order of the table. "stn-NAME" and "stn-NAME-VARIANT"
            are NAME behind a spatial transformer.
        build_model: (model name, input shape, number of classes, name of the transformer's family
            or None for the model's own) -> Keras model giving probabilities. Imports Keras only
            when called, so that command lines answer at once. Of a user's own pictures it also
            takes `Settings.build_options`.
        load_data: (experiment's folder, folder of sources or None) -> `experiments.data.data.Data`.
            May keep in the first what takes long to make.
        schedules: name -> `Schedule`, in the order of the table: "best" is ours and the default,
            "published" the publication's, "quick" takes minutes on two cores.
        load_test: the same arguments -> name -> test images, where making the other data takes
            long; None: they are loaded with them.
        images_per_epoch: the same arguments -> images of an epoch, where making the data takes
            long; None: they are loaded.
        distort: seed -> Keras layer that training images alone go through, in the training graph;
            its images have the size of the test images. None: images are trained on as they are.
        published: model -> test set -> accuracy in percent.
        source: where the published figures stand.
        any_size: whether the data are a user's own pictures: `load_data` takes an `image_size` that
            they are brought to, and `skip_broken`.
        default_models: the models that are trained where none is named; None: all.
    """

    name: str
    title: str
    models: tuple[str, ...]
    build_model: Callable
    load_data: Callable
    schedules: dict[str, Schedule]
    load_test: Callable | None = None
    images_per_epoch: Callable | None = None
    distort: Callable | None = None
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    source: str = ""
    any_size: bool = False
    default_models: tuple[str, ...] | None = None

    def schedule_of(self, settings):
        """The `Schedule` of a run's `Settings`."""
        schedule = self.schedules[settings.schedule]
        return schedule.of(settings.model, settings.backbone is not None, settings.pretrained)

    def count_images(self, **data_arguments):
        """Images of an epoch; the arguments are those of `load_data`."""
        if self.images_per_epoch:
            return self.images_per_epoch(**data_arguments)
        return self.load_data(**data_arguments).training.per_epoch

    def test_images(self, **data_arguments):
        """Name -> `experiments.data.data.LabelledImages`; the arguments are `load_data`'s."""
        if self.load_test:
            return self.load_test(**data_arguments)
        return self.load_data(**data_arguments).test

    def plain(self, model):
        """The classifier that a model has behind its transformer; None without either.

        Example:
            >>> from experiments import EXPERIMENTS
            >>> EXPERIMENTS["mnist-1000"].plain("stn-cnn-stable")
            'cnn'
        """
        if not has_transformer(model):
            return None
        name = model.removeprefix(WITH_TRANSFORMER)
        behind = [plain for plain in self.models if f"{name}-".startswith(f"{plain}-")]
        return max(behind, key=len, default=None)


def has_transformer(model):
    """Whether a model of that name has a spatial transformer."""
    return model.startswith(WITH_TRANSFORMER)
