"""JAX: `jit` fuses the operations; a product needs its precision said."""

import jax.numpy as jnp

from stn_keras.backend.plain import (
    compiled,
    compiled_chain,
    gather_neighbors,
    is_training_graph,
    uses_onednn,
    with_gradient,
)

__all__ = [
    "compiled",
    "compiled_chain",
    "gather_neighbors",
    "is_training_graph",
    "matmul",
    "uses_onednn",
    "with_gradient",
]


def matmul(a, b):
    """a @ b in full precision: a GPU would round float32 to ten bits."""
    return jnp.matmul(a, b, precision="highest")
