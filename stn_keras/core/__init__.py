"""The arithmetic of warping: coordinates, kernels, fill modes, sampling, matrices."""
