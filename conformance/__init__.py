"""Golden vectors: what any implementation of these transforms and this sampler computes."""
