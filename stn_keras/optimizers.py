"""A separate learning rate for the localization networks."""

from collections.abc import Sequence
from typing import Any, Self

import keras

from stn_keras._arguments import is_finite
from stn_keras.layers import find_transformers


def with_localization_rate(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, rate: float
) -> keras.optimizers.Optimizer:
    """An optimizer that trains the localization networks of a model more slowly.

    Scaling their gradients would change nothing under Adam, which divides by the gradients' size;
    here their updates are smaller. It cures a transformer that throws its window out of the image
    in its first steps, before the classifier knows anything, or that memorizes a small training
    set.

    Convention: for every `SpatialTransformer` in the model the localization network and the
    regressor of theta learn at `rate` times the optimizer's rate, schedule or number.

    Args:
        optimizer: Keras optimizer object for the rest of the model, not yet used.
        model: built Keras model.
        rate: positive number, usually below 1.

    Returns:
        Keras optimizer for `model.compile`, saved and loaded with the model.

    Raises:
        ValueError: the optimizer is not a Keras optimizer or wraps others, `rate` is not a
            positive number, or the model has no transformer that learns or is not built. Later:
            layers were frozen or thawed since.

    Example:
        >>> from stn_keras.models import with_spatial_transformer
        >>> layers = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
        >>> model = with_spatial_transformer(keras.Sequential([keras.Input((28, 28, 1)), *layers]))
        >>> optimizer = with_localization_rate(keras.optimizers.Adam(1e-3), model, 0.1)
        >>> model.compile(optimizer, "sparse_categorical_crossentropy")
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            "Expected `optimizer` to be a Keras optimizer, such as keras.optimizers.Adam(1e-3). "
            f"Received: optimizer={optimizer!r}"
        )
    if not is_finite(rate) or rate <= 0:
        raise ValueError(f"Expected `rate` to be a positive number. Received: rate={rate!r}")
    slow = {id(variable) for variable in localization_variables(model)}
    if not slow:
        raise ValueError(
            "Expected a built model with a SpatialTransformer that learns. "
            f"Received: model={model.name!r}"
        )
    trained = model.trainable_variables
    positions = [i for i, variable in enumerate(trained) if id(variable) in slow]
    return PartlySlower(optimizer, rate, positions, len(trained))


def localization_variables(model: keras.Model) -> list[keras.Variable]:
    """Trainable variables of every transformer in the model, however deep it lies."""
    return [
        variable
        for layer in find_transformers(model)
        for part in (layer.localization, layer.regressor)
        for variable in part.trainable_variables
    ]


@keras.saving.register_keras_serializable(package="stn_keras")
class PartlySlower(keras.optimizers.MultiOptimizer):
    """One optimizer for most variables, its slower copy for some.

    They are identified by position: Keras gives a variable another path when its model is loaded.

    The copy's rate follows the other's, whatever sets that: a schedule, a callback, an assignment.

    Args:
        optimizer: Keras optimizer, not yet used.
        rate: factor of the copy's learning rate.
        slow: positions of the slower variables among those the optimizer is built with.
        count: how many variables those are; None: any number.

    Raises:
        ValueError: the optimizer wraps others or clips by the norm of all gradients, or it is built
            with another number of variables.

    Example:
        >>> optimizer = PartlySlower(keras.optimizers.Adam(1e-3), 0.1, slow=[0])
        >>> optimizer.build([keras.Variable([1.0]), keras.Variable([2.0])])
        >>> [round(float(each.learning_rate), 6) for each in optimizer.optimizers]
        [0.0001, 0.001]
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        rate: float,
        slow: Sequence[int],
        count: int | None = None,
        name: str | None = None,
    ):
        super().__init__(self._choose, name=name)
        config = optimizer.get_config()
        if "learning_rate" not in config:
            raise ValueError(
                "Expected an optimizer that wraps no other one. "
                f"Received: optimizer={type(optimizer).__name__}"
            )
        if config.get("global_clipnorm"):
            raise ValueError(
                "Expected an optimizer without `global_clipnorm`: each part would be clipped "
                f"separately. Received: global_clipnorm={config['global_clipnorm']}"
            )
        self._optimizer, self.rate, self.slow, self.count = optimizer, rate, list(slow), count
        self._slower = type(optimizer).from_config({**config, "learning_rate": 0.0})
        self._slower.name = f"{optimizer.name}_slower"
        # Private names as Keras 3.15 has them; a test fails where a later Keras renames one.
        self._slower._get_current_learning_rate = self._slower_rate
        for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
            if hasattr(optimizer, name):
                setattr(self._slower, name, getattr(optimizer, name))
        for each in (self._slower, optimizer):  # callbacks look for them before there is a step
            each.loss_scale_factor = self.loss_scale_factor
            self._inner_optimizers.append(each)

    def _slower_rate(self):
        current = self._optimizer._learning_rate
        if isinstance(current, keras.optimizers.schedules.LearningRateSchedule):
            return self.rate * current(self._slower.iterations)
        return self.rate * self._optimizer.learning_rate

    def build(self, var_list: list[keras.Variable]) -> None:
        if self.count not in (None, len(var_list)):
            raise ValueError(
                f"Expected the {self.count} trainable variables that the model had when the "
                "optimizer was made; freeze layers before. "
                f"Received: {len(var_list)} variables"
            )
        self._slow_keys = {self._var_key(var_list[i]) for i in self.slow}
        super().build(var_list)

    def _choose(self, variable):
        is_slow = self._var_key(variable) in self._slow_keys
        return self._slower if is_slow else self._optimizer

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer": keras.optimizers.serialize(self._optimizer),
            "rate": self.rate,
            "slow": self.slow,
            "count": self.count,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        optimizer = keras.optimizers.deserialize(config["optimizer"], custom_objects)
        return cls(**{**config, "optimizer": optimizer})
