"""What the library needs of a backend beyond `keras.ops`; a module for each of Keras's backends.

The contract, for tensors of any spatial rank. What a module does not define is that of `plain`:

- `matmul(a, b)`: the product in full precision.
- `gather_neighbors(rows, first, steps, strides)`: pixels of a small cube around each position, with
  a fast gradient to `rows`.
- `drops_out_of_range()`: whether a cube that begins behind the last row gets no gradient.
- `spread(weights, channels)`: weights (M,) that broadcast over the channels of (M, C).
- `run(function, *arguments, compiled=None)`: `function(*arguments)`, by the fastest way there is.
  True asks for compiled kernels, False for plain operations. The function takes `gather`, which
  stands for `gather_neighbors` in a kernel.
- `has_sampler(images, places, interpolation)`: whether the framework has a sampler of its own for
  these, `sample_natively(images, places, interpolation, limits, differentiable)`.
- `plain_graphs()`: a context in which graphs are traced from plain operations.
- `compiled(function)`: a function of tensors, compiled as a whole where that is worth it.
- `value_and_gradient(function)`: function(*arguments) -> (value, *others) as one that also returns
  the gradient of the value to the first argument.
- `with_gradient(outputs, inputs, gradient)`: `outputs`, with a gradient to `inputs` too.
- `uses_onednn()`: whether convolutions run on oneDNN.
"""

import importlib

import keras
from keras import KerasTensor

from stn_keras.backend import plain
from stn_keras.backend.plain import Chain as Chain  # a part of the contract

_MODULES = ("tensorflow", "jax", "torch")
_name = keras.backend.backend()
if _name not in _MODULES:
    raise ImportError(f"Expected Keras's backend to be one of {_MODULES}. Received: {_name!r}")
_module = importlib.import_module(f"stn_keras.backend.{_name}")


def _implementation(name):
    return getattr(_module, name, getattr(plain, name))


gather_neighbors = _implementation("gather_neighbors")
drops_out_of_range = _implementation("drops_out_of_range")
spread = _implementation("spread")
run = _implementation("run")
has_sampler = _implementation("has_sampler")
sample_natively = _implementation("sample_natively")
plain_graphs = _implementation("plain_graphs")
compiled = _implementation("compiled")
value_and_gradient = _module.value_and_gradient
with_gradient = _implementation("with_gradient")
uses_onednn = _implementation("uses_onednn")


def matmul(a, b):
    """a @ b in full precision, of symbolic tensors too."""
    if isinstance(a, KerasTensor) or isinstance(b, KerasTensor):
        return Matmul()(a, b)
    return _module.matmul(a, b)


@keras.saving.register_keras_serializable(package="stn_keras")
class Matmul(keras.Operation):
    """`matmul` of symbolic tensors, as a functional model holds it: (..., M, K) and (..., K, N)."""

    def call(self, a, b):
        return _module.matmul(a, b)
