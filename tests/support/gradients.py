"""Gradients of a scalar function, on whichever backend runs."""

import keras
from keras import ops


def value_and_gradients(function, *arrays):
    """function(*tensors) -> scalar; returns its value and the gradient to each array, as NumPy."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        gradients = tape.gradient(value, tensors, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        wrt = tuple(range(len(arrays)))
        tensors = [jax.numpy.asarray(array) for array in arrays]
        value, gradients = jax.jit(jax.value_and_grad(function, argnums=wrt))(*tensors)
    else:
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        value = function(*tensors)
        if not value.requires_grad:
            value = value + 0 * sum(tensor.sum() for tensor in tensors)
        gradients = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        value = value.detach()
    return float(value), [ops.convert_to_numpy(gradient) for gradient in gradients]
