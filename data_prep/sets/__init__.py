"""Data sets that are made from sources."""
