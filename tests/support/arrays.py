"""Tolerances, and functions of arrays compiled where that is quicker."""

import keras

import stn_keras.ops

# Keras computes in float32 at most on torch.
EXACT = "float32" if keras.backend.backend() == "torch" else "float64"
TOLERANCE = {"float64": 1e-10, "float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2}


# How far off pixels between equal ones may be. torch's own sampler rounds a sum of four or sixteen.
EQUAL_NEIGHBORS = 2e-6 if keras.backend.backend() == "torch" else 0

# numpy.pad's words for the fill modes, with a fill of 0.25.
NUMPY_PAD = {
    "constant": {"mode": "constant", "constant_values": 0.25},
    "nearest": {"mode": "edge"},
    "reflect": {"mode": "symmetric"},
    "mirror": {"mode": "reflect"},
    "wrap": {"mode": "wrap"},
}
# JAX compiles every operation anew for every shape.
COMPILES_EACH_SHAPE = keras.backend.backend() == "jax"


def compiled_on_jax(function, *static):
    """`function` of arrays, on JAX compiled at once: quicker than its operations one by one.

    Args:
        function: of arrays and other arguments.
        *static: names of the other arguments.
    """
    if not COMPILES_EACH_SHAPE:
        return function
    import jax

    return jax.jit(function, static_argnames=static)


sample = compiled_on_jax(stn_keras.ops.sample, "interpolation", "fill_mode", "fill_value")
