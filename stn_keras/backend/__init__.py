"""What the library needs of a backend beyond `keras.ops`; a module for each of Keras's backends.

The contract, which each module implements for tensors of any spatial rank:

- `matmul(a, b)`: the product in full precision.
- `gather_neighbors(rows, first, steps, strides)`: pixels of a small cube around each position, with
  a fast gradient to `rows`.
- `compiled(function, *arguments)`: `function(*arguments, gather=...)`, by fast kernels where the
  backend has them. `gather` stands for `gather_neighbors` there.
- `compiled_chain(inner, outer, images, theta)`: `outer(images, inner(theta))`, compiled together
  where that is faster.
- `is_training_graph()`: whether kernels pay off here, since gradients will be asked for.
- `with_gradient(outputs, inputs, gradient)`: `outputs`, with a gradient to `inputs` too.
- `uses_onednn()`: whether convolutions run on oneDNN.
"""

import importlib

import keras
from keras import KerasTensor

_MODULES = ("tensorflow", "jax", "torch")
_name = keras.backend.backend()
if _name not in _MODULES:
    raise ImportError(f"Expected Keras's backend to be one of {_MODULES}. Received: {_name!r}")
_module = importlib.import_module(f"stn_keras.backend.{_name}")

gather_neighbors = _module.gather_neighbors
compiled = _module.compiled
compiled_chain = _module.compiled_chain
is_training_graph = _module.is_training_graph
with_gradient = _module.with_gradient
uses_onednn = _module.uses_onednn


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
