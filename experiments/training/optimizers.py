"""Muon for convolutions."""

import re

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="experiments")
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
        >>> from experiments.networks.keras_post import cnn
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
