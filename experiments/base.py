"""What an experiment is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class JitterRanges:
    """How far training images are moved, uniformly at random.

    Attributes:
        rotation: largest angle about the centre, in degrees.
        scale: largest change of width and height, each by itself, as a part of 1.
        shift: largest shift, as a part of half the image's size.
    """

    rotation: float
    scale: float
    shift: float


@dataclass(frozen=True)
class Experiment:
    """A published comparison: data, models, schedule and the figures to compare with.

    Attributes:
        name: name on the command line; also the name of its set in `data_prep`.
        title: one line for the report.
        models: names of the models, in the order of the table.
        build_model: (model name, input shape, number of classes) -> Keras model giving
            probabilities. Imports Keras only when called, so that command lines answer at once.
        epochs: default number of epochs.
        batch_size: default batch size.
        learning_rate: AdamW's at the start; it decays to zero along a cosine.
        weight_decay: AdamW's, multiplied with the learning rate at each step.
        jitter: ranges of the random moves of training images; see `experiments.jitter.Jitter`.
        validation: how many original training images, with their distorted copies, choose the
            epoch.
        copies: how many distorted copies of each training image there are; an epoch shows every
            original and one of its copies, drawn at random.
        published: model -> test set -> accuracy in percent.
        source: where the published figures stand.
    """

    name: str
    title: str
    models: tuple[str, ...]
    build_model: Callable
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    jitter: JitterRanges
    validation: int
    copies: int
    published: dict[str, dict[str, float]]
    source: str
