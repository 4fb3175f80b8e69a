"""torch: operation by operation."""

import torch

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
    """a @ b; torch keeps float32 products exact unless a user asks otherwise."""
    return torch.matmul(a, b)
