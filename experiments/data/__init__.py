"""The data of experiments, and the batches they come in."""
