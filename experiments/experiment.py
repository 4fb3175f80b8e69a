"""What an experiment is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

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
        curriculum: part of the epochs in which the experiment's distortion grows from none to its
            whole range.
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
    curriculum: float = 0.0
    per_model: dict[str, dict] = field(default_factory=dict)

    def of(self, model):
        """The schedule that a model is trained by."""
        return replace(self, **self.per_model.get(model, {}), per_model={})

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
            when called, so that command lines answer at once.
        load_data: (experiment's folder, folder of sources or None) -> `experiments.data.data.Data`.
            May keep in the first what takes long to make.
        schedules: name -> `Schedule`, in the order of the table: "best" is ours and the default,
            "published" the publication's, "quick" takes minutes on two cores.
        images_per_epoch: the same arguments -> images of an epoch, where making the data takes
            long; None: they are loaded.
        distort: seed -> Keras layer that training images alone go through, in the training graph;
            its images have the size of the test images. None: images are trained on as they are.
        published: model -> test set -> accuracy in percent.
        source: where the published figures stand.
        any_size: whether the data are a user's own pictures: `load_data` takes an `image_size` that
            they are brought to, and `skip_broken`.
    """

    name: str
    title: str
    models: tuple[str, ...]
    build_model: Callable
    load_data: Callable
    schedules: dict[str, Schedule]
    images_per_epoch: Callable | None = None
    distort: Callable | None = None
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    source: str = ""
    any_size: bool = False

    def count_images(self, **data_arguments):
        """Images of an epoch; the arguments are those of `load_data`."""
        if self.images_per_epoch:
            return self.images_per_epoch(**data_arguments)
        return self.load_data(**data_arguments).training.per_epoch

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
