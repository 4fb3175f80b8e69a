"""Data sets: sources, distortions, and python -m data_prep."""
