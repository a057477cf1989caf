"""Numerical kernels: NumPy arrays in, NumPy arrays out. Compiled by numba once into the user's cache."""
