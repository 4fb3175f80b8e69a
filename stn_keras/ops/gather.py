"""The only backend-specific lines of the sampler: read rows of a flat image by index."""

import keras
from keras import ops


def gather_rows(rows, indices):
    """rows (R, C), indices of any shape S -> values (*S, C); every index must be in range."""
    channels = rows.shape[-1]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Rank-2 indices let TensorFlow accumulate the gradient by rows: twice as fast as any other
        # rank.
        values = tf.gather_nd(rows, tf.reshape(indices, (-1, 1)))
    else:
        values = ops.take(rows, ops.reshape(indices, (-1,)), axis=0)
    return ops.reshape(values, (*ops.shape(indices), channels))
