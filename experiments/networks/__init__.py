"""The networks of the experiments; none knows of the transformer that stands before it."""
