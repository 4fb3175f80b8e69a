"""A learning rate of its own for the localization networks, and Muon for convolutions."""

import re

import keras
from keras import ops

from stn_keras.layers import SpatialTransformer


def with_localization_rate(optimizer, model, rate):
    """An optimizer that trains the localization networks of a model more slowly.

    Scaling their gradients would change nothing under Adam, which divides by the gradients' size;
    here their updates are smaller. It cures a transformer that throws its window out of the image
    in its first steps, before the classifier knows anything, or that memorizes a small training
    set.

    Convention: for every `SpatialTransformer` in the model the localization network and the
    regressor of theta learn at `rate` times the optimizer's rate, schedule or number.

    Args:
        optimizer: Keras optimizer for the rest of the model, not yet used.
        model: built Keras model.
        rate: positive number, usually below 1.

    Returns:
        Keras optimizer for `model.compile`, saved and loaded with the model.

    Raises:
        ValueError: `rate` is no positive number, or the model has no transformer or is not built.

    Example:
        >>> from stn_keras.models import cnn, with_spatial_transformer
        >>> model = with_spatial_transformer(cnn())
        >>> optimizer = with_localization_rate(keras.optimizers.Adam(1e-3), model, 0.1)
        >>> model.compile(optimizer, "sparse_categorical_crossentropy")
    """
    if not rate > 0:
        raise ValueError(f"Expected `rate` to be a positive number. Received: rate={rate!r}")
    slow = {id(variable) for variable in localization_variables(model)}
    if not slow:
        raise ValueError(
            f"Expected a built model with a SpatialTransformer. Received: model={model.name!r}"
        )
    positions = [i for i, v in enumerate(model.trainable_variables) if id(v) in slow]
    return PartlySlower(optimizer, rate, positions)


def localization_variables(model):
    """Trainable variables of every transformer in the model, however deep it lies."""
    return [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, SpatialTransformer)
        for part in (layer.localization, layer.regressor)
        for variable in part.trainable_variables
    ]


@keras.saving.register_keras_serializable(package="stn_keras")
class PartlySlower(keras.optimizers.MultiOptimizer):
    """One optimizer for most variables, its slower copy for some.

    They are told apart by position: Keras gives a variable another path when its model is loaded.

    Args:
        optimizer: Keras optimizer, not yet used.
        rate: factor of the copy's learning rate.
        slow: positions of the slower variables among those the optimizer is built with.

    Example:
        >>> optimizer = PartlySlower(keras.optimizers.Adam(1e-3), 0.1, slow=[0])
        >>> optimizer.build([keras.Variable([1.0]), keras.Variable([2.0])])
        >>> [round(float(each.learning_rate), 6) for each in optimizer.optimizers]
        [0.0001, 0.001]
    """

    def __init__(self, optimizer, rate, slow, name=None):
        super().__init__(self._choose, name=name)
        self._optimizer, self.rate, self.slow = optimizer, rate, list(slow)
        config = optimizer.get_config()
        self._slower = type(optimizer).from_config(
            {**config, "learning_rate": _scaled(config["learning_rate"], rate)}
        )
        self._slower.name = f"{optimizer.name}_slower"

    def build(self, var_list):
        self._slow_keys = {self._var_key(var_list[i]) for i in self.slow}
        super().build(var_list)

    def _choose(self, variable):
        is_slow = self._var_key(variable) in self._slow_keys
        return self._slower if is_slow else self._optimizer

    def get_config(self):
        return {
            "optimizer": keras.optimizers.serialize(self._optimizer),
            "rate": self.rate,
            "slow": self.slow,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizer = keras.optimizers.deserialize(config["optimizer"], custom_objects)
        return cls(**{**config, "optimizer": optimizer})


@keras.saving.register_keras_serializable(package="stn_keras")
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate schedule times a factor.

    Args:
        schedule: Keras learning rate schedule.
        factor: number.

    Example:
        >>> decay = keras.optimizers.schedules.CosineDecay(1.0, 10)
        >>> float(ScaledSchedule(decay, 0.5)(0))
        0.5
    """

    def __init__(self, schedule, factor):
        super().__init__()
        self.schedule, self.factor = schedule, factor

    def __call__(self, step):
        return self.factor * self.schedule(step)

    def get_config(self):
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["factor"])


@keras.saving.register_keras_serializable(package="stn_keras")
class ConvMuon(keras.optimizers.Muon):
    """`keras.optimizers.Muon` that takes the kernels of convolutions too, as its authors do.

    Keras's takes matrices alone and leaves kernels to Adam. A kernel (h, w, C, F) is taken as a
    matrix (h * w * C, F).

    Args:
        *args: as `keras.optimizers.Muon`; exclude the layer that gives the scores.
        **kwargs: as `keras.optimizers.Muon`.

    Raises:
        ValueError: as `keras.optimizers.Muon`.

    Reference:
        Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al.
        2025 (arXiv:2502.16982), whose size of a step Keras takes.

    Example:
        >>> from stn_keras.models import cnn
        >>> optimizer = ConvMuon(1e-2, adam_lr_ratio=0.1, exclude_layers=["dense_2"])
        >>> cnn().compile(optimizer, "sparse_categorical_crossentropy")
    """

    def _should_use_adamw(self, variable):
        if len(variable.shape) != 4:
            return super()._should_use_adamw(variable)
        return any(re.search(keyword, variable.path) for keyword in self.exclude_layers)

    def zeropower_via_newtonschulz5(self, x, steps):
        """The orthogonal matrix nearest to a gradient, in the gradient's shape."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x):
        """A step of the size that Adam's would have."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().lr_adjust(matrix), x.shape)


def _scaled(learning_rate, factor):
    """`learning_rate` as it stands in an optimizer's config."""
    if isinstance(learning_rate, dict):
        return ScaledSchedule(keras.optimizers.schedules.deserialize(learning_rate), factor)
    return factor * learning_rate
